import Cluster
import Diagnostics
import Foundation
import Kernels
import StrictJSON

/// What `doctor` shows of several processes: where they are, and how fast they exchange what training exchanges.
struct ClusterReport {
  /// The time in which gradients of `bytes` are added up over all ranks.
  struct Sum {
    let bytes: Int
    let seconds: Double
    /// What a rank sends in that time.
    let sent: Int
  }

  let cluster: Cluster
  /// GFLOP/s of each rank's processors, measured on all at once.
  let speeds: [Double]
  /// Seconds until all ranks have a small record of all.
  let latency: Double
  let sums: [Sum]

  /// Measures, on all ranks together.
  init(_ cluster: Cluster, speed: Double) {
    self.cluster = cluster
    var writer = ByteWriter()
    writer.write(speed)
    speeds = cluster.gather(fixed: writer.bytes).map { bytes in
      var reader = ByteReader(bytes)
      return reader.read()
    }
    latency = Self.time(200, cluster) { _ = cluster.gather(fixed: writer.bytes) }
    sums = [(1_000_000, 20), (16_000_000, 5)].map { bytes, times in
      Sum(bytes: bytes, seconds: Self.timeSum(bytes, times, cluster), sent: Self.sent(bytes, cluster))
    }
  }

  /// The median of `times` tries.
  private static func time(_ times: Int, _ cluster: Cluster, _ work: () -> Void) -> Double {
    let clock = ContinuousClock()
    work()
    let tries = (0..<times).map { _ in
      cluster.wait()
      return clock.measure(work).inSeconds
    }
    return tries.sorted()[times / 2]
  }

  /// As in a step with one shard for each rank.
  private static func timeSum(_ bytes: Int, _ times: Int, _ cluster: Cluster) -> Double {
    let tree = ShardTree(shards: cluster.size), count = bytes / 4
    var nodes: [ShardTree.Node: FloatStorage] = [:]
    for node in tree.nodes(of: tree.spans(ranks: cluster.size)[cluster.rank]) {
      nodes[node] = FloatStorage(zeros: count)
    }
    let total = FloatStorage(zeros: count)
    return time(times, cluster) { cluster.sum(nodes, over: tree, into: total) }
  }

  /// Each slice of its node to its owner, and its own total to all.
  private static func sent(_ bytes: Int, _ cluster: Cluster) -> Int { 2 * bytes * (cluster.size - 1) / cluster.size }

  // MARK: - Texts

  /// Lines of the listing.
  var entries: [(String, String)] {
    let hosts = Set(cluster.members.map(\.host)).count
    return [
      ("cluster", "\(cluster.size) ranks on \(hosts == 1 ? "1 host" : "\(hosts) hosts")"),
      ("MPI library", cluster.library.map { "\($0.name), ABI of \($0.abi): \($0.version)" } ?? "none"),
      ("latency", "\(fixed(1e6 * latency, 1)) µs for a record of 8 bytes from each to all"),
    ]
      + sums.map {
        (
          "sum of \($0.bytes / 1_000_000) MB",
          "\(fixed(1000 * $0.seconds, 2)) ms; each rank sends \(fixed(Double($0.sent) / $0.seconds / 1e6, 0)) MB/s"
        )
      }
  }

  /// A line for each rank.
  var table: String {
    TextTable(
      [["rank", "host", "processors", "threads", "GFLOP/s per processor"]]
        + zip(cluster.members, speeds).map { member, speed in
          [
            "\(member.rank)", member.host, "\(member.processors.count) of \(member.hostProcessors)",
            "\(cluster.members.threads(of: member))", fixed(speed, 1),
          ]
        }, right: [0, 3, 4]
    ).plain
  }

  /// The same for programs.
  var json: JSONValue {
    [
      "ranks": .list(
        zip(cluster.members, speeds).map { member, speed in
          [
            "rank": .integer(member.rank), "host": .string(member.host),
            "processors": .list(member.processors.map { .integer($0) }),
            "host_processors": .integer(member.hostProcessors),
            "default_threads": .integer(cluster.members.threads(of: member)), "gemm_gflops": .number(speed),
          ]
        }),
      "library": cluster.library.map {
        ["file": .string($0.name), "abi": .string($0.abi), "version": .string($0.version)]
      } ?? .null,
      "latency_microseconds": .number(1e6 * latency),
      "sums": .list(
        sums.map {
          [
            "bytes": .integer($0.bytes), "milliseconds": .number(1000 * $0.seconds),
            "sent_bytes": .integer($0.sent),
          ]
        }),
      "notices": .strings(cluster.notices),
    ]
  }
}
