import Adapters
import Checkpoints

/// About how many bytes a run takes at its peak.
public struct MemoryEstimate: Sendable, Equatable {
  /// Weights, mapped from their files; in float32 where there are none yet.
  public let weights: Int
  /// Values, gradients and two moments of everything that trains.
  public let trainable: Int
  /// Activations of all workers.
  public let activations: Int

  /// All together.
  public var total: Int { weights + trainable + activations }

  /// The estimate for full batches of the longest sequences.
  ///
  /// A worker holds the activations of one shard: L layers of 8·C + I numbers a token for the backward pass, and the
  /// layer at work.
  public init(_ plan: RunPlan, trainable count: Int, trainExamples: Int?, threads: Int) {
    let config = plan.config, model = plan.model
    weights =
      (try? CheckpointDirectory(path: plan.modelDirectory)).map(Self.bytes)
      ?? 4 * ModelGeometry(model).totalParameters(labels: nil)
    let batch = min(
      config.training.trainBatchSize * config.training.gradientAccumulationSteps, trainExamples ?? .max, 4096)
    let shards = ShardPlan(lengths: Array(repeating: config.task.maxSeqLength, count: max(1, batch))).shards
    let workers = min(threads, shards.count)
    let tokens = (shards.map(\.count).max() ?? 1) * config.task.maxSeqLength
    let wide = model.intermediateSize, hidden = model.hiddenSize
    trainable = 4 * count * (1 + (workers + 1) + 2)
    activations = 4 * workers * tokens * (model.layers * (8 * hidden + wide) + 2 * wide + 8 * hidden)
  }

  private static func bytes(_ directory: CheckpointDirectory) -> Int {
    directory.files.flatMap { file in file.names.compactMap { file.info($0)?.byteCount } }.reduce(0, +)
  }
}
