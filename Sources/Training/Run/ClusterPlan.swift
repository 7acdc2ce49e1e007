import Adapters
import Kernels
import Tasks

/// The processes that a run is planned for.
public struct ClusterShape: Sendable, Equatable {
  /// How many there are.
  public let ranks: Int
  /// How many of them share a host.
  public let ranksOfHost: Int
  /// What is between the hosts.
  public let network: Network

  /// `ranks` processes.
  public init(ranks: Int, ranksOfHost: Int = 1, network: Network = .oneGigabit) {
    (self.ranks, self.ranksOfHost, self.network) = (ranks, ranksOfHost, network)
  }
}

/// What a run on several machines would do in a step, and what that would take.
public struct ClusterPlan: Sendable, Equatable {
  /// The processes.
  public let shape: ClusterShape
  /// Threads of each.
  public let threads: Int
  /// Shards of a step: the mean over the first epoch, without a short last step.
  public let shardsPerStep: Double
  /// The fewest and the most of a step.
  public let shardRange: ClosedRange<Int>
  /// The most shards of a rank in a step, likewise.
  public let shardsPerRank: Double
  /// Bytes that a rank sends in a step, the mean over all.
  public let bytesPerStep: Int
  /// The time of a shard on one thread.
  public let shardTime: ShardTime
  /// What the model predicts.
  public let cost: StepCost

  /// The plan for steps with `shards` shards each and `gradientBytes` bytes of gradients.
  init(_ shape: ClusterShape, threads: Int, shards: [Int], gradientBytes: Int, shardTime: ShardTime) {
    let steps = Double(max(1, shards.count)), sums = SentSums(shards: shards, ranks: shape.ranks)
    (self.shape, self.threads, self.shardTime) = (shape, threads, shardTime)
    shardsPerStep = Double(shards.reduce(0, +)) / steps
    shardRange = (shards.min() ?? 0)...(shards.max() ?? 0)
    shardsPerRank = Double(shards.reduce(0) { $0 + $1.divided(by: shape.ranks) }) / steps
    let others = Double(shape.ranks - 1) / Double(shape.ranks)
    bytesPerStep = Int(((sums.mean + 1) * Double(gradientBytes) * others).rounded())
    cost = StepCost(
      shards: shards, ranks: shape.ranks, threads: threads, shardSeconds: shardTime.seconds,
      gradientBytes: gradientBytes, network: shape.network, sums: sums.most)
  }

  /// The plan for `run`, which starts with `state`: nil where its model or data are missing.
  init(_ run: PreparedRun, _ shape: ClusterShape, outputs: Int?, epoch: EpochShards, state: TrainableState?) throws {
    let shapes = state ?? TrainableState(table: run.table, head: run.head(outputs: outputs))
    self.init(
      shape, threads: run.pool.threads, shards: epoch.wholeSteps, gradientBytes: 4 * shapes.storageCount,
      shardTime: try ShardTime(run, shapes, epoch, isComplete: state != nil))
  }

  /// Why some of the threads have nothing to do; nil if all have.
  public var limit: String? { Self.limit(shards: shardRange, workers: shape.ranks * threads) }

  /// The same for steps of so many shards.
  static func limit(shards: ClosedRange<Int>, workers: Int) -> String? {
    let most = shards.upperBound
    guard workers > most else { return nil }
    let number = most == 1 ? "1 shard" : shards.count == 1 ? "\(most) shards" : "at most \(most) shards"
    return
      "a step has \(number), so only \(most) of \(workers) workers \(most == 1 ? "has" : "have") something to do; a larger "
      + "training.train_batch_size or a smaller training.shard_tokens makes more shards, and a sweep gives every machine "
      + "runs of its own"
  }

  /// A note for the user of a run whose ranks have more threads than there are shards.
  static func notices(_ run: PreparedRun, items: [EncodedDataset.Item]) throws -> [String] {
    guard !run.cluster.isAlone, run.cluster.leads else { return [] }
    let counts = try EpochShards(run, outputs: run.task().outputs, items: items).wholeSteps
    let shards = (counts.min() ?? 1)...(counts.max() ?? 1)
    return limit(shards: shards, workers: run.cluster.size * run.pool.threads).map { [$0] } ?? []
  }
}
