import Adapters
import Autograd
import Checkpoints
import Configuration
import Kernels
import Models
import Tasks

/// The shards of the first steps of a run, on a model that is only shapes.
struct EpochShards {
  /// The shard with the most tokens, and the one with the longest sequence.
  let largest: [Shard]
  /// Shards of each step.
  let counts: [Int]
  /// Tokens of each step.
  let tokens: [Int]
  /// Training examples, and their tokens.
  let examples: Int
  let exampleTokens: Int
  /// The step whose shards are the nearest to the mean: its examples, and one of its shards.
  let typical: (items: [EncodedDataset.Item], shard: Shard)?
  /// Whether the last step of the epoch is among these, and shorter.
  private let endsShort: Bool

  /// Steps that are looked at.
  private static let most = 1000

  /// A shard, ready to go through the model.
  struct Shard {
    let batch: any ObjectiveBatch
    let units: [Int]
    var lengths: [Int] { units.map { batch.lengths[$0] } }
    var tokens: Int { lengths.reduce(0, +) }
  }

  /// Those of training on `items` in the order of the first epoch or, if they are not known, on full batches of the
  /// longest examples. `outputs` are those of the head, nil without one.
  init(_ run: PreparedRun, outputs: Int?, items known: [EncodedDataset.Item]? = nil) throws {
    let training = run.config.training
    let objective = (try? run.task().objective) ?? Self.objective(outputs, run.taskKind.headKind)
    let model = try ObjectiveModel(
      shapesOf: run.geometry, objective.modelUse, precision: training.precision,
      stored: try? run.geometry.checkpoint(run.modelDirectory, holding: training.weights ?? .resident))
    let size = min(4096, StepPlan(examples: 1, training).stepSize)
    let items = known ?? Array(repeating: Self.longestItem(run, outputs), count: size)
    let steps = StepPlan(examples: items.count, training)
    let order = training.shuffle ? run.philox.permutation(items.count, epoch: 0) : Array(items.indices)
    func examples(_ step: Int) -> [EncodedDataset.Item] { steps.batch(step: step, order: order).map { items[$0] } }
    func shards(_ items: [EncodedDataset.Item]) -> [Shard] {
      let batch = objective.batch(items, model, .training(labelSmoothing: training.labelSmoothingFactor))
      let plan = ShardPlan(lengths: batch.lengths, shardTokens: training.shardTokens)
      return plan.shards.map { Shard(batch: batch, units: $0) }
    }

    var most = (tokens: 0, shard: Shard?.none), widest = (length: 0, shard: Shard?.none)
    var counts: [Int] = [], tokens: [Int] = []
    for step in 0..<min(steps.perEpoch, Self.most) {
      let shards = shards(examples(step))
      for shard in shards {
        let longest = shard.lengths.max() ?? 0
        if shard.tokens > most.tokens { most = (shard.tokens, shard) }
        if longest > widest.length { widest = (longest, shard) }
      }
      counts.append(shards.count)
      tokens.append(shards.reduce(0) { $0 + $1.tokens })
    }
    largest = [most.shard, widest.shard].compactMap(\.self)
    (self.counts, self.tokens) = (counts, tokens)
    (self.examples, exampleTokens) = (items.count, items.reduce(0) { $0 + $1.ids.count })
    endsShort = steps.perEpoch > 1 && steps.perEpoch <= Self.most && items.count % steps.stepSize != 0

    let whole = counts.indices.dropLast(endsShort ? 1 : 0).filter { counts[$0] > 0 }
    func mean(_ step: Int) -> Double { Double(tokens[step]) / Double(counts[step]) }
    let target = whole.reduce(0) { $0 + mean($1) } / Double(max(1, whole.count))
    typical = whole.min { abs(mean($0) - target) < abs(mean($1) - target) }.flatMap { step in
      let chosen = examples(step)
      return shards(chosen).first.map { (chosen, $0) }
    }
  }

  /// The most shards of a step.
  var most: Int { max(1, counts.max() ?? 1) }

  /// Shards of each step but a short last one.
  var wholeSteps: [Int] { counts.dropLast(endsShort ? 1 : 0).filter { $0 > 0 } }

  /// Tokens of a shard, on average over those steps.
  var meanTokens: Double {
    let shards = wholeSteps.reduce(0, +), tokens = tokens.dropLast(endsShort ? 1 : 0).reduce(0, +)
    return Double(tokens) / Double(max(1, shards))
  }

  private static func objective(_ outputs: Int?, _ head: HeadKind) -> any Objective {
    guard let outputs else { return LanguageModelling() }
    return head == .tokens
      ? TokenClassification(tags: (0..<outputs).map(String.init)) : Classification(classes: outputs)
  }

  private static func longestItem(_ run: PreparedRun, _ outputs: Int?) -> EncodedDataset.Item {
    let ids = [Int32](repeating: 0, count: run.maxLength)
    if run.taskKind.headKind == .tokens {
      let words = Array(ids.indices)
      return EncodedDataset.Item(
        ids: ids, typeIDs: ids,
        words: .init(sentence: 0, numbers: words, places: words, tags: words.map { _ in 0 }))
    }
    return outputs == nil
      ? EncodedDataset.Item(documents: [ids])
      : EncodedDataset.Item(ids: ids, typeIDs: ids, label: .classIndex(0))
  }
}

extension EpochShards.Shard {
  /// What going forward and backward takes.
  struct Work {
    /// Bytes of activations.
    let bytes: Int
    /// Floating-point operations of products.
    let operations: Double
  }

  /// The work of this shard: forward and backward code run on shapes, in a workspace that counts.
  func work(_ run: PreparedRun, _ state: TrainableState) -> Work {
    let config = run.config.training, workspace = Workspace(computes: false)
    let tape = Tape(
      workspace: workspace, parameters: state.values, gradients: FloatStorage(zeros: state.storageCount),
      dropout: DropoutSource(philox: run.philox, step: 0), precision: config.precision.activations)
    let context = ForwardContext(
      tape: tape,
      adapters: state.adapters(sites: run.geometry.sites, scale: 1, dropout: run.config.adapter.loraDropout),
      head: state.headReferences, recomputes: config.gradientCheckpointing)
    _ = batch.forward(units, context)
    tape.backward()
    return Work(bytes: workspace.peakBytes, operations: workspace.products.operations)
  }
}

extension ObjectiveModel {
  /// A model without numbers, to count what it takes.
  fileprivate init(
    shapesOf geometry: ModelGeometry, _ use: ModelUse, precision: RunPrecision, stored: WeightFiles?
  ) throws {
    switch use {
    case .classifier:
      self = .classifier(try LoadedClassifier.model(shapesOf: geometry, precision: precision, stored: stored))
    case .tokenClassifier:
      self = .tokens(try LoadedTokenClassifier.model(shapesOf: geometry, precision: precision, stored: stored))
    case .languageModel:
      self = .language(try LanguageModel(shapesOf: geometry, precision: precision, stored: stored))
    }
  }
}
