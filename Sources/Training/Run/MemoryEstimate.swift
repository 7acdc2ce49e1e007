import Adapters
import Autograd
import Checkpoints
import Configuration
import Kernels
import Models

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

  /// The estimate for training on sequences of these lengths, in the order of the first epoch; for full batches of the
  /// longest sequences where the data is not known.
  public init(
    _ plan: RunPlan, trainable count: Int, outputs: Int, lengths: [Int]?, order: [Int]?, threads: Int
  ) throws {
    let config = plan.config, training = config.training
    let directory = try? plan.geometry.checkpoint(plan.modelDirectory)
    let stored = StoredWeights(plan, directory)
    weights = stored.held
    loading = stored.loaded
    let longest = config.task.maxSeqLength
    let lengths = lengths ?? Array(repeating: longest, count: min(4096, training.effectiveBatch))
    let shard = LargestShard(lengths: lengths, order: order, batch: training.effectiveBatch)
    let workers = min(threads, shard.count)
    trainable = 4 * count * (1 + (workers + 1) + 2)
    let counter = ActivationCount(plan, outputs: outputs)
    activations = workers * (try shard.candidates.map { try counter.bytes(lengths: $0, stored: directory) }.max() ?? 0)
    program =
      48 << 20 + Self.itemBytes * lengths.count + Self.tokenBytes * lengths.reduce(0, +)
      + Self.tokenizerBytes * plan.model.vocabularySize
  }

  /// What an example takes besides its tokens, and each of these, with the room that arrays grow into.
  private static let itemBytes = 220
  private static let tokenBytes = 8

  /// What a piece of a vocabulary takes with its place in the tables.
  private static let tokenizerBytes = 700
}

/// The bytes of a checkpoint's weights.
private struct StoredWeights {
  var held: Int
  var loaded: Int

  init(_ plan: RunPlan, _ directory: CheckpointDirectory?) {
    let precision = plan.config.training.precision
    guard let directory else {
      held = precision.byteCount * plan.geometry.totalParameters(labels: nil)
      loaded = held
      return
    }
    let tensors = directory.files.flatMap { file in file.names.compactMap { file.info($0) } }
    loaded = tensors.map(\.byteCount).reduce(0, +)
    held = loaded
    guard precision == .bfloat16 else { return }
    // Matrices of linear maps are held as rounded copies unless they are stored so; the rest stays mapped.
    for site in plan.sites where site.slice == nil {
      guard let info = directory.info(site.path + ".weight"), info.dtype != .bfloat16 else { continue }
      held += 2 * info.shape.reduce(1, *) - info.byteCount
    }
  }
}

/// The largest units of work among the first batches.
private struct LargestShard {
  /// Lengths of the sequences of the shard with the most tokens, and of the one with the longest sequence.
  private(set) var candidates: [[Int]] = [[1], [1]]
  /// The most shards of a batch.
  private(set) var count = 1

  init(lengths: [Int], order: [Int]?, batch: Int) {
    let order = order ?? Array(lengths.indices)
    for start in stride(from: 0, to: min(order.count, 1000 * batch), by: batch) {
      let lengths = order[start..<min(start + batch, order.count)].map { lengths[$0] }
      let plan = ShardPlan(lengths: lengths)
      for shard in plan.shards.map({ $0.map { lengths[$0] } }) {
        if shard.reduce(0, +) > candidates[0].reduce(0, +) { candidates[0] = shard }
        if shard.max() ?? 0 > candidates[1].max() ?? 0 { candidates[1] = shard }
      }
      count = max(count, plan.shards.count)
    }
  }
}

/// The activations of a shard: forward and backward code run on shapes, in a workspace that counts.
private struct ActivationCount {
  let plan: RunPlan
  let state: TrainableState

  init(_ plan: RunPlan, outputs: Int) {
    self.plan = plan
    state = TrainableState(
      table: plan.table, head: outputs == 0 ? [] : HeadParameter.all(config: plan.model, labels: outputs))
  }

  /// Bytes at the peak, for a shard of sequences of these lengths.
  func bytes(lengths: [Int], stored: CheckpointDirectory?) throws -> Int {
    let config = plan.config.training, workspace = Workspace(computes: false)
    let tape = Tape(
      workspace: workspace, parameters: state.values, gradients: FloatStorage(zeros: state.storageCount),
      dropout: DropoutSource(philox: Philox(seed: 0), step: 0), precision: config.precision)
    let context = ForwardContext(
      tape: tape,
      adapters: state.adapters(sites: plan.sites, scale: 1, dropout: plan.config.adapter.loraDropout),
      head: state.headReferences, recomputes: config.gradientCheckpointing)
    let sequences = lengths.map {
      (ids: [Int32](repeating: 0, count: $0), typeIDs: [Int32](repeating: 0, count: $0))
    }
    let tokens = PackedTokens(sequences, examples: Array(lengths.indices))
    if state.head.isEmpty {
      let model = try LanguageModel(shapesOf: plan.geometry, precision: config.precision, stored: stored)
      let states = model.decoder.states(tokens, onlyLast: false, context)
      _ = tape.languageModelLoss(
        states, head: model.head, targets: tokens.ids, weights: [Float](repeating: 1, count: states.rows))
    } else {
      let model = try LoadedClassifier.model(shapesOf: plan.geometry, precision: config.precision, stored: stored)
      let logits = model.logits(tokens, context)
      _ = tape.crossEntropy(logits, labels: lengths.map { _ in 0 }, weight: 1)
    }
    tape.backward()
    return workspace.peakBytes
  }
}

extension TrainingConfig {
  /// Examples of one optimiser step.
  fileprivate var effectiveBatch: Int { trainBatchSize * gradientAccumulationSteps }
}
