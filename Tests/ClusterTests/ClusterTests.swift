import Diagnostics
import Foundation
import Kernels
import SimulatedCluster
import Testing

@testable import Cluster

@Suite struct ClusterTests {
  @Test(arguments: [1, 2, 5]) func bytesReachEveryRank(ranks: Int) throws {
    let results = SimulatedCluster.run(ranks: ranks) { cluster in
      cluster.wait()
      return (
        cluster.gather(Array(repeating: UInt8(cluster.rank), count: cluster.rank)),
        cluster.broadcast(cluster.leads ? [1, 2, 3] : []), cluster.broadcast(cluster.leads)
      )
    }
    for result in results {
      let (gathered, broadcast, answer) = try result.get()
      #expect(gathered == (0..<ranks).map { Array(repeating: UInt8($0), count: $0) })
      #expect(broadcast == [1, 2, 3] && answer)
    }
  }

  @Test func numbersAndTextsComeBack() {
    var writer = ByteWriter()
    writer.write(3)
    writer.write([Float.nan, -0.0, Float.leastNonzeroMagnitude])
    writer.write("läuft")
    writer.write(true)
    var reader = ByteReader(writer.bytes)
    #expect(reader.read(Int.self) == 3)
    #expect(
      reader.readAll(Float.self).map(\.bitPattern) == [Float.nan, -0.0, Float.leastNonzeroMagnitude].map(\.bitPattern))
    #expect(reader.readText() == "läuft" && reader.read(Bool.self) && reader.isAtEnd)
  }

  struct Wrong: UserFacingError {
    let description: String
    let exitStatus: Diagnostics.ExitStatus
  }

  /// An error on any rank is thrown on all: each text once, with who had it.
  @Test func errorsAreThrownTogether() {
    func run(_ problem: @escaping @Sendable (Int) -> String?) -> [String] {
      SimulatedCluster.run(ranks: 5) { cluster -> Int in
        try cluster.together {
          if let text = problem(cluster.rank) {
            throw Wrong(description: text, exitStatus: cluster.rank < 2 ? .missingInput : .badInput)
          }
          return cluster.rank
        }
      }.map { result in
        switch result {
        case .success(let rank): "\(rank)"
        case .failure(let error): "\((error as? ClusterFailure)?.exitStatus.rawValue ?? -1) \(error)"
        }
      }
    }
    #expect(run { _ in nil } == ["0", "1", "2", "3", "4"])
    #expect(run { $0 == 2 ? "no" : nil } == Array(repeating: "65 rank 2 on n2: no", count: 5))
    #expect(run { _ in "all" } == Array(repeating: "66 all", count: 5))
    #expect(run { $0 == 0 ? nil : "no" } == Array(repeating: "66 ranks 1, 2, 3 and 4: no", count: 5))
    #expect(
      run { $0 == 1 ? "one" : $0 > 2 ? "two" : nil }
        == Array(repeating: "66 rank 1 on n1: one\nranks 3 and 4: two", count: 5))
  }

  /// Sums have the same bits at any number of ranks.
  @Test(arguments: [1, 2, 4, 7, 20, 33]) func sumsAreTheSameForAnyNumberOfRanks(shards: Int) throws {
    let tree = ShardTree(shards: shards), count = 1003
    @Sendable func sum(_ cluster: Cluster) -> [UInt32] {
      let total = FloatStorage(zeros: count)
      total[0..<count] = Array(repeating: 7, count: count)
      let span = tree.spans(ranks: cluster.size)[cluster.rank]
      _ = WorkerPool(threads: 2).mapGradients(span, of: tree, count: count) { shard, _, storage in
        for index in 0..<count { storage.base[index] = Float(sin(Double(shard * count + index))) }
      } use: { nodes in
        cluster.sum(nodes, over: tree, into: total)
      }
      return total[0..<count].map(\.bitPattern)
    }
    let alone = sum(.alone)
    #expect(Set(alone).count > count / 2)
    for ranks in [2, 3, 4, 5, 8, 16, 31, 64] {
      for result in SimulatedCluster.run(ranks: ranks, sum) { #expect(try result.get() == alone) }
    }
  }
}
