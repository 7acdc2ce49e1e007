import Adapters
import Checkpoints
import Configuration
import Kernels

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
  public init(_ plan: RunPlan, trainable count: Int, lengths: [Int]?, order: [Int]?, threads: Int) {
    let config = plan.config, training = config.training
    let stored = StoredWeights(plan)
    weights = stored.held
    loading = stored.loaded
    let longest = config.task.maxSeqLength
    let lengths = lengths ?? Array(repeating: longest, count: min(4096, training.effectiveBatch))
    let shard = LargestShard(lengths: lengths, order: order, batch: training.effectiveBatch)
    let workers = min(threads, shard.count)
    trainable = 4 * count * (1 + (workers + 1) + 2)
    activations = workers * ActivationBytes(plan).bytes(tokens: shard.tokens, length: shard.longest)
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

  init(_ plan: RunPlan) {
    let precision = plan.config.training.precision
    guard let directory = try? CheckpointDirectory(path: plan.modelDirectory) else {
      held = precision.byteCount * ModelGeometry(plan.model).totalParameters(labels: nil)
      loaded = held
      return
    }
    let tensors = directory.files.flatMap { file in file.names.compactMap { file.info($0) } }
    loaded = tensors.map(\.byteCount).reduce(0, +)
    held = loaded
    guard precision == .bfloat16 else { return }
    // Matrices of linear maps are held as rounded copies unless they are stored so; the rest stays mapped.
    let linear = Set(ModelGeometry(plan.model).sites.map { $0.path + ".weight" })
    for file in directory.files {
      for name in file.names {
        guard let info = file.info(name), info.dtype != .bfloat16, linear.contains(where: { name.hasSuffix($0) })
        else { continue }
        held += 2 * info.shape.reduce(1, *) - info.byteCount
      }
    }
  }
}

/// The largest unit of work among the first batches.
private struct LargestShard {
  private(set) var tokens = 1
  private(set) var longest = 1
  private(set) var count = 1

  init(lengths: [Int], order: [Int]?, batch: Int) {
    let order = order ?? Array(lengths.indices)
    for start in stride(from: 0, to: min(order.count, 1000 * batch), by: batch) {
      let lengths = order[start..<min(start + batch, order.count)].map { lengths[$0] }
      let plan = ShardPlan(lengths: lengths)
      tokens = max(tokens, plan.shards.map { $0.reduce(0) { $0 + lengths[$1] } }.max() ?? 0)
      longest = max(longest, lengths.max() ?? 0)
      count = max(count, plan.shards.count)
    }
  }
}

/// What a shard's activations take: what every layer keeps for the backward pass, and the layer at work.
private struct ActivationBytes {
  /// Bytes that a layer keeps for each token.
  private var kept = 0
  /// Bytes that a layer keeps for each token where activations are made again.
  private let input: Int
  /// Bytes for each token of the layer whose derivatives are at work.
  private let atWork: Int
  private let layers: Int
  /// Bytes that the last layer keeps for each token.
  private let last: Int
  private let recomputes: Bool
  private let heads: Int
  /// Rows of logits that exist at once, all their numbers; for classifiers none.
  private let logits: Int

  init(_ plan: RunPlan) {
    let model = plan.model, number = plan.config.training.precision.byteCount
    let c = model.hiddenSize, wide = model.intermediateSize
    let adapted = Set(plan.table.sites.map { String($0.path.split(separator: ".").last ?? "") })
    func isAdapted(_ names: String...) -> Bool { names.contains(where: adapted.contains) }
    let ranks = plan.table.modules.count * plan.config.adapter.r * number
    switch model.family {
    case .bert, .roberta:
      kept = number * (3 * c + c + 2 * c + wide) + ranks
      if isAdapted("query", "key", "value") { kept += number * c }
      if isAdapted("dense") { kept += number * (c + wide) }
    case .gpt2:
      kept = number * (3 * c + c + wide) + 2 * 4 * c + ranks
      if isAdapted("c_attn", "q", "k", "v") { kept += number * c }
      if isAdapted("c_fc") { kept += number * c }
      if isAdapted("c_proj") { kept += number * wide }
    case .llama:
      let keys = model.headSize * model.keyValueHeads, queries = model.headSize * model.heads
      kept = number * (2 * queries + 2 * keys + 2 * wide) + 2 * 4 * c + ranks
      if isAdapted("q_proj", "k_proj", "v_proj") { kept += number * c }
      if isAdapted("gate_proj", "up_proj") { kept += number * c }
      if isAdapted("down_proj") { kept += number * wide }
    }
    kept += 4 * (model.heads + 4)
    input = 4 * c * (model.family.isDecoder ? 2 : 1) + (number == 2 ? 2 * c : 0)
    atWork = number * (wide + 2 * c) + 4 * 2 * c
    // A classifier's last layer works for one token of each sequence, all but its keys and values.
    last = plan.task.isLanguageModelling ? kept : 3 * number * c
    layers = model.layers
    recomputes = plan.config.training.gradientCheckpointing
    heads = model.heads
    let slice = plan.task.isLanguageModelling ? max(16, min(512, (1 << 23) / model.vocabularySize)) : 0
    logits = slice * model.vocabularySize * (number == 2 ? 6 : 4)
  }

  func bytes(tokens: Int, length: Int) -> Int {
    let rows = tokens + 24  // with the zeros that products read
    let stack = recomputes ? layers * input + kept : (layers - 1) * kept + last
    // Scores of a block of queries: in float32 twice, and what products read of them.
    let padded = (length + 15) / 16 * 16
    let scores = min(heads * padded * padded, 1 << 19) * 16
    return rows * (stack + atWork) + max(scores, logits)
  }
}

extension TrainingConfig {
  /// Examples of one optimiser step.
  fileprivate var effectiveBatch: Int { trainBatchSize * gradientAccumulationSteps }
}
