import ArgumentParser
import Cluster
import Foundation
import StrictJSON
import Training

/// The flags with which a dry run plans for a cluster.
struct ClusterPlanOptions: ParsableArguments {
  @Option(help: ArgumentHelp("With --dry-run: plan for this many machines, each with --threads.", valueName: "n"))
  var ranks: Int?

  @Option(help: ArgumentHelp("With --dry-run: the network between them (default: 1gb)."))
  var network: Network?

  /// Refuses the flags for a run that is not just planned.
  func validate(isDryRun: Bool) throws {
    try check("--ranks", ranks, atLeast: 1)
    if isDryRun {
      guard network == nil || ranks != nil || Launcher(environment: ProcessInfo.processInfo.environment) != nil else {
        throw ValidationError("--network needs --ranks")
      }
      return
    }
    if ranks != nil {
      throw ValidationError("--ranks needs --dry-run: a run has the ranks that mpirun or srun starts")
    }
    if network != nil { throw ValidationError("--network needs --dry-run") }
  }

  /// The processes to plan for: those that the flags name, or those of `cluster`; nil for one.
  func shape(on cluster: Cluster) -> ClusterShape? {
    let network = network ?? .oneGigabit
    if let ranks { return ClusterShape(ranks: ranks, network: network) }
    return cluster.isAlone
      ? nil : ClusterShape(ranks: cluster.size, ranksOfHost: cluster.hostSize, network: network)
  }
}

extension Network: ExpressibleByArgument {}

extension ClusterPlan {
  /// The lines of a dry run about it. `memory` is that of one process.
  func entries(_ memory: MemoryEstimate) -> [(String, String)] {
    let rank = threads == 1 ? "1 thread" : "\(threads) threads"
    let range = "\(shardRange.lowerBound) to \(shardRange.upperBound)"
    let shards = short(shardsPerStep) + " a step" + (shardRange.count > 1 ? " (\(range))" : "")
    let host = memory.host(ranks: shape.ranksOfHost)
    return [
      ("ranks", "\(grouped(shape.ranks)) with \(rank) each, network \(shape.network.rawValue)"),
      ("shards", shards + ", at most \(short(shardsPerRank)) a rank"),
      ("exchange", "\(byteSize(bytesPerStep)) from each rank a step"),
      (
        "step",
        "about \(seconds(cost.step)): \(seconds(cost.compute)) computing (\(seconds(shardTime.seconds)) a shard, "
          + (shardTime.isMeasured ? "measured here" : "estimated from this machine's products")
          + ") + \(seconds(cost.exchange)) exchange; efficiency \(fixed(100 * cost.efficiency, 0)) %"
      ),
    ] + (shape.ranksOfHost > 1 ? [("memory of a host", "about \(byteSize(host)) with \(shape.ranksOfHost) ranks")] : [])
  }

  /// The same as JSON.
  func json(_ memory: MemoryEstimate) -> JSONValue {
    [
      "ranks": .integer(shape.ranks), "threads": .integer(threads), "network": .string(shape.network.rawValue),
      "shards_per_step": .number(shardsPerStep),
      "shards_range": [.integer(shardRange.lowerBound), .integer(shardRange.upperBound)],
      "shards_per_rank": .number(shardsPerRank), "bytes_per_step": .integer(bytesPerStep),
      "shard_seconds": .number(shardTime.seconds), "shard_seconds_measured": .bool(shardTime.isMeasured),
      "compute_seconds": .number(cost.compute), "exchange_seconds": .number(cost.exchange),
      "step_seconds": .number(cost.step), "efficiency": .number(cost.efficiency),
      "ranks_of_host": .integer(shape.ranksOfHost),
      "host_memory_bytes": .integer(memory.host(ranks: shape.ranksOfHost)),
      "limit": limit.map { .string($0) } ?? .null,
    ]
  }

  private func short(_ number: Double) -> String { number == number.rounded() ? fixed(number, 0) : fixed(number, 1) }
  private func seconds(_ value: Double) -> String {
    value < 0.9995 ? significant(1000 * value, 3) + " ms" : significant(value, 3) + " s"
  }
}
