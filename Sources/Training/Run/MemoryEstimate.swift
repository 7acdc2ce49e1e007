import Adapters
import Autograd
import Checkpoints
import Configuration
import Kernels
import Models
import Tasks

/// About how many bytes a run holds at its peak.
public struct MemoryEstimate: Sendable, Equatable {
  /// The frozen weights: mapped from their files, or the copies that bfloat16 makes of them.
  public let weights: Int
  /// Values, gradients and two moments of everything that trains.
  public let trainable: Int
  /// Activations of all workers.
  public let activations: Int
  /// The program itself, its libraries, the tokenizer and the data.
  public let program: Int
  /// The weights while they are loaded: every number is looked at once.
  private let loading: Int

  /// All together.
  public var total: Int { max(loading, weights + trainable + activations) + program }

  /// The estimate for training on `items` in the order of the first epoch or, if they are not known, on full batches of the
  /// longest examples. `outputs` are those of the head, nil without one.
  init(_ run: PreparedRun, outputs: Int?, items: [EncodedDataset.Item]? = nil, threads: Int? = nil) throws {
    let directory = try? run.geometry.checkpoint(run.modelDirectory)
    let stored = StoredWeights(run, directory)
    weights = stored.held
    loading = stored.loaded
    let work = try Work(run, outputs: outputs, items: items, stored: directory)
    let workers = min(threads ?? run.pool.threads, work.shards)
    let head = run.head(outputs: outputs)
    let state = TrainableState(table: run.table, head: head)
    // Values and each worker's gradients, products of A and B included; two moments of what is trained.
    let trained = run.table.parameterCount + head.map(\.count).reduce(0, +)
    trainable = 4 * (state.storageCount * (1 + workers + 1) + 2 * trained)
    activations = workers * (work.largest.map { $0.bytes(run, state) }.max() ?? 0)
    program =
      48 << 20 + Self.itemBytes * work.examples + Self.tokenBytes * work.tokens
      + Self.tokenizerBytes * run.model.vocabularySize
  }

  /// The same for a run whose inputs have not been read.
  public init(unread run: PreparedRun, threads: Int) throws {
    try self.init(run, outputs: run.taskKind.isLanguageModelling ? nil : 2, threads: threads)
  }

  /// What an example takes besides its tokens, and each of these, with the room that arrays grow into.
  private static let itemBytes = 220
  private static let tokenBytes = 8

  /// What a piece of a vocabulary takes with its place in the tables.
  private static let tokenizerBytes = 700
}

/// The bytes of a model's weights.
private struct StoredWeights {
  var held: Int
  var loaded: Int

  init(_ run: PreparedRun, _ directory: WeightFiles?) {
    let precision = run.config.training.precision
    guard let directory else {
      held = precision.byteCount * run.geometry.totalParameters(labels: nil)
      loaded = held
      return
    }
    let tensors = directory.files.flatMap { file in file.names.compactMap { file.info($0) } }
    loaded = tensors.map(\.byteCount).reduce(0, +)
    held = loaded
    guard precision == .bfloat16 else { return }
    // Matrices of linear maps are held as rounded copies unless they are stored so; the rest stays mapped.
    for site in run.geometry.sites where site.slice == nil {
      guard let info = directory.info(site.path + ".weight"), info.dtype != .bfloat16 else { continue }
      held += 2 * info.shape.reduce(1, *) - info.byteCount
    }
  }
}

/// The largest shards among the first batches of a run, on a model that is only shapes.
private struct Work {
  /// The shard with the most tokens, and the one with the longest sequence.
  let largest: [Shard]
  /// The most shards of a batch.
  private(set) var shards = 1
  let examples: Int
  let tokens: Int

  /// A shard, ready to go through the model.
  struct Shard {
    let batch: any ObjectiveBatch
    let units: [Int]
    var lengths: [Int] { units.map { batch.lengths[$0] } }
  }

  init(
    _ run: PreparedRun, outputs: Int?, items: [EncodedDataset.Item]?, stored: WeightFiles?
  ) throws {
    let training = run.config.training
    let objective = (try? run.task().objective) ?? Self.objective(outputs)
    let model = try ObjectiveModel(
      shapesOf: run.geometry, objective.modelUse, precision: training.precision, stored: stored)
    let items =
      items
      ?? Array(
        repeating: Self.longestItem(run, outputs), count: min(4096, StepPlan(examples: 1, training).stepSize))
    var most = (tokens: 0, shard: Shard?.none), widest = (length: 0, shard: Shard?.none)
    let steps = StepPlan(examples: items.count, training)
    let order = training.shuffle ? run.philox.permutation(items.count, epoch: 0) : Array(items.indices)
    for step in 0..<min(steps.perEpoch, 1000) {
      let batch = objective.batch(
        steps.batch(step: step, order: order).map { items[$0] }, model,
        .training(labelSmoothing: training.labelSmoothingFactor))
      let plan = ShardPlan(lengths: batch.lengths, trained: run.table.parameterCount)
      for shard in plan.shards.map({ Shard(batch: batch, units: $0) }) {
        let lengths = shard.lengths, tokens = lengths.reduce(0, +), longest = lengths.max() ?? 0
        if tokens > most.tokens { most = (tokens, shard) }
        if longest > widest.length { widest = (longest, shard) }
      }
      shards = max(shards, plan.shards.count)
    }
    largest = [most.shard, widest.shard].compactMap(\.self)
    (examples, tokens) = (items.count, items.reduce(0) { $0 + $1.ids.count })
  }

  private static func objective(_ outputs: Int?) -> any Objective {
    outputs.map { Classification(classes: $0) } ?? LanguageModelling()
  }

  private static func longestItem(_ run: PreparedRun, _ outputs: Int?) -> EncodedDataset.Item {
    let ids = [Int32](repeating: 0, count: run.config.task.maxSeqLength)
    return outputs == nil
      ? EncodedDataset.Item(documents: [ids])
      : EncodedDataset.Item(ids: ids, typeIDs: ids, label: .classIndex(0))
  }
}

extension Work.Shard {
  /// Bytes of its activations: forward and backward code run on shapes, in a workspace that counts.
  func bytes(_ run: PreparedRun, _ state: TrainableState) -> Int {
    let config = run.config.training, workspace = Workspace(computes: false)
    let tape = Tape(
      workspace: workspace, parameters: state.values, gradients: FloatStorage(zeros: state.storageCount),
      dropout: DropoutSource(philox: run.philox, step: 0), precision: config.precision)
    let context = ForwardContext(
      tape: tape,
      adapters: state.adapters(sites: run.geometry.sites, scale: 1, dropout: run.config.adapter.loraDropout),
      head: state.headReferences, recomputes: config.gradientCheckpointing)
    _ = batch.forward(units, context)
    tape.backward()
    return workspace.peakBytes
  }
}

extension ObjectiveModel {
  /// A model without numbers, to count what it takes.
  fileprivate init(
    shapesOf geometry: ModelGeometry, _ use: ModelUse, precision: Precision, stored: WeightFiles?
  ) throws {
    switch use {
    case .classifier:
      self = .classifier(try LoadedClassifier.model(shapesOf: geometry, precision: precision, stored: stored))
    case .languageModel:
      self = .language(try LanguageModel(shapesOf: geometry, precision: precision, stored: stored))
    }
  }
}
