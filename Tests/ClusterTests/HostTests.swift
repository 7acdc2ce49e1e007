import Foundation
import Kernels
import SimulatedCluster
import Testing

@testable import Cluster

@Suite struct HostTests {
  @Test func saysWhatTrains() {
    let members = ["a", "a", "b"].enumerated().map { rank, host in
      Member(rank: rank, host: host, processors: [0, 1], hostProcessors: 2)
    }
    let cluster = Cluster(Three(), members: members)
    #expect(cluster.summary(threads: 1) == "3 ranks on 2 hosts with 1 thread each")
    #expect(cluster.summary(threads: 4) == "3 ranks on 2 hosts with 4 threads each")
  }

  /// Three processes that never talk.
  private struct Three: Transport {
    let rank = 0, size = 3
    func exchange(
      _ bytes: UnsafeRawBufferPointer, counts: [Int], into result: UnsafeMutableRawBufferPointer, received: [Int]
    ) {}
    func gather(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer, counts: [Int]) {}
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer) {}
    func abort(_ status: Int32) -> Never { fatalError("\(status)") }
    func finish() {}
  }

  /// Ranks by host and processors, on hosts with `processors` of them.
  private func members(_ ranks: [(host: String, processors: [Int])], of processors: Int = 16) -> [Member] {
    ranks.enumerated().map { rank, place in
      Member(rank: rank, host: place.host, processors: place.processors, hostProcessors: processors)
    }
  }

  private func threads(_ members: [Member]) -> [Int] { members.map { members.threads(of: $0) } }

  @Test func ranksShareTheProcessorsOfTheirHost() {
    let all = Array(0..<16)
    #expect(threads(members([("a", all), ("b", all)])) == [16, 16])
    #expect(threads(members([("a", all), ("a", all), ("b", all)])) == [8, 8, 16])
    #expect(threads(members([("a", Array(0..<8)), ("a", Array(8..<16))])) == [8, 8])
    #expect(threads(members([("a", Array(0..<8)), ("a", Array(4..<12)), ("a", Array(12..<16))])) == [4, 4, 4])
    #expect(threads(members([("a", [3]), ("b", [3])])) == [1, 1])
    #expect(threads(members([("a", [0, 1]), ("a", [0, 1]), ("a", [0, 1])], of: 2)) == [1, 1, 1])
    #expect(threads(members([("a", [])])) == [1])
  }

  private func notices(_ members: [Member], _ variables: (ranks: String, rank: String)) throws -> [String] {
    members.notices(for: try #require(Launcher(environment: [variables.ranks: "2", variables.rank: "0"])))
  }

  private func mpirun(_ members: [Member]) throws -> [String] { try notices(members, ("PMI_SIZE", "PMI_RANK")) }

  @Test func aRankThatIsBoundToOneProcessorIsNoted() throws {
    let all = Array(0..<16), single = members([("a", [0]), ("b", all)]), two = members([("a", [0]), ("a", [1])])
    let advice = ": pass --bind-to none to mpirun"
    #expect(try mpirun(single) == ["rank 0 may use 1 of 16 processors of its host" + advice])
    #expect(try mpirun(two) == ["rank 0 may use 1 of 16 processors of its host, and so may 1 other rank" + advice])
    #expect(
      try mpirun(members([("b", all), ("a", [0]), ("c", [0]), ("d", [0])]))
        == ["rank 1 may use 1 of 16 processors of its host, and so may 2 others" + advice])
    #expect(
      try notices(single, ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"))
        == ["rank 0 may use 1 of 16 processors of its host: pass --cpus-per-task to srun"])
    // Together they use all; a host has only one; more than one.
    #expect(try mpirun(members([("a", [0]), ("a", [1])], of: 2)) == [])
    #expect(try mpirun(members([("a", [0]), ("b", [0])], of: 1)) == [])
    #expect(try mpirun(members([("a", [0, 1]), ("a", [2, 3])])) == [])
  }

  @Test func moreRanksThanProcessorsAreNoted() throws {
    let three = members([("a", [0, 1]), ("a", [0, 1]), ("a", [0, 1])], of: 2)
    let advice = ": one rank a host is enough, since each has threads"
    #expect(try mpirun(three) == ["3 ranks share 2 processors on a" + advice])
    let many = members([("b", [0]), ("b", [0]), ("a", [0]), ("a", [0]), ("c", [0])], of: 1)
    #expect(try mpirun(many) == ["2 ranks share 1 processor on a, and so do those of other hosts" + advice])
  }

  @Test func ranksAreNumberedOnTheirHosts() throws {
    // Two ranks a host.
    let places = try SimulatedCluster.run(ranks: 5) { [$0.hostRank, $0.hostSize] }.map { try $0.get() }
    #expect(places == [[0, 2], [1, 2], [0, 2], [1, 2], [0, 1]])
    #expect(Cluster.alone.hostRank == 0 && Cluster.alone.hostSize == 1)
    #expect(Cluster.alone.threads == ProcessorCount.available)
  }

  @Test func theHostsNameIsTheKernels() throws {
    let name = try String(contentsOfFile: "/proc/sys/kernel/hostname", encoding: .utf8)
    #expect(Member.current.host + "\n" == name)
  }
}
