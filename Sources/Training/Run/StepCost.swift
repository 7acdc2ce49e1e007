import Kernels

/// The network between the machines of a cluster, as the cost model sees it.
public enum Network: String, Sendable, CaseIterable {
  /// 1 Gb/s.
  case oneGigabit = "1gb"
  /// 10 Gb/s.
  case tenGigabits = "10gb"
  /// 100 Gb/s.
  case hundredGigabits = "100gb"

  /// Bytes a second that programs get through it.
  var bytesPerSecond: Double {
    switch self {
    case .oneGigabit: 117e6
    case .tenGigabits: 1.15e9
    case .hundredGigabits: 9e9
    }
  }

  /// Seconds until a message arrives.
  var latency: Double {
    switch self {
    case .oneGigabit: 40e-6
    case .tenGigabits: 20e-6
    case .hundredGigabits: 5e-6
    }
  }
}

/// The seconds of an optimiser step on several machines, as a model predicts them:
///
///     T(N) = ⌈⌈S/N⌉/P⌉ · t + 2 (N − 1) α + (p + 1) V (N − 1) / (N β)
///
/// for S shards on N machines with P threads each, t seconds a shard on one thread, V bytes of gradients, and a network
/// that moves β bytes a second with a latency of α. A machine sends p sums for its shards: 1 where N is a power of two
/// that divides S, so 2 V (N − 1)/N bytes in all, and up to about log₂ S for other N.
public struct StepCost: Sendable, Equatable {
  /// Seconds of computing on the machine with the most shards.
  public let compute: Double
  /// Seconds in which machines exchange gradients.
  public let exchange: Double
  /// Seconds of computing on one machine alone.
  private let alone: Double
  private let ranks: Int

  /// The cost of steps with `shards` shards, the mean over all of them.
  public init(
    shards: [Int], ranks: Int, threads: Int, shardSeconds: Double, gradientBytes: Int, network: Network,
    sums: Double = 1
  ) {
    func seconds(_ ranks: Int) -> Double {
      let rounds = shards.reduce(0) { ($0 + ($1.divided(by: ranks)).divided(by: threads)) }
      return shardSeconds * Double(rounds) / Double(max(1, shards.count))
    }
    (self.ranks, compute, alone) = (ranks, seconds(ranks), seconds(1))
    let others = Double(ranks - 1)
    exchange =
      2 * others * network.latency
      + (sums + 1) * Double(gradientBytes) * others / (Double(ranks) * network.bytesPerSecond)
  }

  /// Seconds of a step.
  public var step: Double { compute + exchange }

  /// The part of the machines' work that is of use: 1 where N machines are N times as fast as one.
  public var efficiency: Double { alone / (Double(ranks) * step) }
}

/// The sums that machines send in a step.
struct SentSums {
  /// The mean over machines, and the most that one sends.
  let mean: Double
  let most: Double

  /// Means over steps with `shards` shards.
  init(shards: [Int], ranks: Int) {
    // Few numbers of shards occur, each often.
    var known: [Int: (mean: Double, most: Double)] = [:]
    for shards in Set(shards) {
      let tree = ShardTree(shards: shards), counts = tree.spans(ranks: ranks).map { tree.nodes(of: $0).count }
      known[shards] = (Double(counts.reduce(0, +)) / Double(ranks), Double(counts.max() ?? 0))
    }
    let each = shards.compactMap { known[$0] }, steps = Double(max(1, each.count))
    mean = each.reduce(0) { $0 + $1.mean } / steps
    most = each.reduce(0) { $0 + $1.most } / steps
  }
}

extension Int {
  /// ⌈self / divisor⌉.
  func divided(by divisor: Int) -> Int { (self + divisor - 1) / divisor }
}
