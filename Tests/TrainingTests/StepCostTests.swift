import Cluster
import Kernels
import Synchronization
import Testing

@testable import Training

/// The model of a step's time, against rows that were computed by hand.
@Suite struct StepCostTests {
  /// Every machine has `each` shards for each of its threads.
  private func efficiency(_ ranks: Int, each: Int, _ seconds: Double, bytes: Int, _ network: Network) -> Double {
    let threads = 16
    return StepCost(
      shards: [each * threads * ranks], ranks: ranks, threads: threads, shardSeconds: seconds, gradientBytes: bytes,
      network: network
    ).efficiency
  }

  /// LoRA with rank 8 on query and value, and the head.
  @Test func robertaBase() {
    func at(_ ranks: Int, _ each: Int = 1, _ network: Network = .oneGigabit) -> Double {
      efficiency(ranks, each: each, 0.89, bytes: 4 * (294_912 + 592_130), network)
    }
    #expect(at(4) > 0.95 && at(5) < 0.95)
    #expect(abs(at(64) - 0.93) < 0.005)
    #expect(at(415, 2) > 0.95 && at(416, 2) < 0.95)
    #expect(at(1000, 1, .tenGigabits) > 0.95)
    #expect(at(1000, 1, .hundredGigabits) > 0.95)
  }

  @Test func largeModel() {
    func at(_ ranks: Int, _ each: Int = 1, _ network: Network = .oneGigabit) -> Double {
      efficiency(ranks, each: each, 109, bytes: 640_000_000, network)
    }
    #expect(at(2) > 0.95 && at(3) < 0.95)
    #expect(abs(at(64) - 0.91) < 0.005)
    #expect(at(1000, 2) > 0.95)
    #expect(at(1000, 1, .tenGigabits) > 0.95)
  }

  /// 1 MB between four hosts at 1 Gb/s: 13.4 ms of the note, 12.8 of them for bytes.
  @Test func exchange() {
    let cost = StepCost(
      shards: [4], ranks: 4, threads: 1, shardSeconds: 1, gradientBytes: 1_000_000, network: .oneGigabit)
    #expect(cost.compute == 1)
    #expect(abs(cost.exchange - (2 * 3 * 40e-6 + 2 * 1e6 * 3 / (4 * 117e6))) < 1e-12)
    #expect(abs(cost.efficiency - 1 / (1 + cost.exchange)) < 1e-12)
  }

  /// Machines and threads that get no shard do not help.
  @Test(arguments: [(1, 1, 4.0), (2, 1, 2), (3, 1, 2), (4, 1, 1), (64, 1, 1), (1, 3, 2), (2, 3, 1)])
  func granularity(ranks: Int, threads: Int, seconds: Double) {
    let cost = StepCost(
      shards: [4], ranks: ranks, threads: threads, shardSeconds: 1, gradientBytes: 0, network: .hundredGigabits)
    #expect(cost.compute == seconds)
  }

  @Test func alone() {
    let cost = StepCost(
      shards: [3, 4], ranks: 1, threads: 2, shardSeconds: 0.5, gradientBytes: 1000, network: .oneGigabit)
    #expect(cost.compute == 1 && cost.exchange == 0 && cost.efficiency == 1)
  }

  /// One sum where N is a power of two that divides S; with fewer shards than machines, some send none.
  @Test func sums() {
    for ranks in [1, 2, 4, 8, 16] {
      let sums = SentSums(shards: [16, 32], ranks: ranks)
      #expect(sums.mean == 1 && sums.most == 1)
    }
    let few = SentSums(shards: [4], ranks: 8)
    #expect(few.mean == 0.5 && few.most == 1)
    let odd = SentSums(shards: [16], ranks: 3)
    #expect(odd.mean > 1 && odd.most >= odd.mean)
  }
}

@Suite struct ClusterPlanTests {
  private func plan(_ ranks: Int, threads: Int, shards: [Int]) -> ClusterPlan {
    ClusterPlan(
      ClusterShape(ranks: ranks), threads: threads, shards: shards, gradientBytes: 3_500_000,
      shardTime: ShardTime(seconds: 0.5, isMeasured: true))
  }

  @Test func shardsAndBytes() {
    let plan = plan(4, threads: 2, shards: [16, 15, 17])
    #expect(plan.shardsPerStep == 16 && plan.shardRange == 15...17)
    #expect(plan.shardsPerRank == 13.0 / 3)
    let even = self.plan(4, threads: 2, shards: [16])
    #expect(even.bytesPerStep == 5_250_000 && even.cost.compute == 1)
  }

  /// The bytes are those that the exchange really sends.
  @Test(arguments: [(16, 4), (16, 3), (20, 4), (7, 5), (4, 8), (1, 2)]) func sentBytes(shards: Int, ranks: Int) {
    let numbers = 840, tree = ShardTree(shards: shards)
    var sent = 0
    for (rank, span) in tree.spans(ranks: ranks).enumerated() {
      let transport = Counter(rank: rank, size: ranks)
      let cluster = Cluster(transport, members: Array(repeating: .current, count: ranks))
      let nodes = tree.nodes(of: span).map { ($0, FloatStorage(zeros: numbers)) }
      cluster.sum(
        Dictionary(nodes) { first, _ in first }, over: tree, into: FloatStorage(zeros: numbers))
      sent += transport.sent.withLock { $0 }
    }
    let plan = ClusterPlan(
      ClusterShape(ranks: ranks), threads: 1, shards: [shards], gradientBytes: 4 * numbers,
      shardTime: ShardTime(seconds: 1, isMeasured: true))
    #expect(abs(plan.bytesPerStep * ranks - sent) <= ranks)
  }

  /// Counts what goes to other ranks, and sends nothing.
  private final class Counter: Transport {
    let rank: Int
    let size: Int
    let sent = Mutex(0)

    init(rank: Int, size: Int) { (self.rank, self.size) = (rank, size) }

    func exchange(
      _ bytes: UnsafeRawBufferPointer, counts: [Int], into result: UnsafeMutableRawBufferPointer, received: [Int]
    ) {
      sent.withLock { $0 += counts.reduce(0, +) - counts[rank] }
    }
    func gather(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer, counts: [Int]) {
      sent.withLock { $0 += bytes.count * (size - 1) }
    }
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer) {}
    func abort(_ status: Int32) -> Never { fatalError("\(status)") }
    func finish() {}
  }

  @Test func limits() {
    #expect(plan(2, threads: 2, shards: [4]).limit == nil)
    let rest =
      "something to do; a larger training.train_batch_size or a smaller training.shard_tokens makes more shards, and a "
      + "sweep gives every machine runs of its own"
    #expect(
      plan(3, threads: 2, shards: [4]).limit
        == "a step has 4 shards, so only 4 of 6 workers have " + rest)
    #expect(
      plan(2, threads: 3, shards: [4, 5]).limit
        == "a step has at most 5 shards, so only 5 of 6 workers have " + rest)
    #expect(
      plan(2, threads: 1, shards: [1]).limit
        == "a step has 1 shard, so only 1 of 2 workers has " + rest)
  }
}
