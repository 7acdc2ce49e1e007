import SimulatedCluster
import Testing

@testable import Cluster

/// What ranks have to say reaches the user through rank 0.
@Suite struct NotesTests {
  private func collected(_ notes: @escaping @Sendable (Int) -> String?) throws -> [String] {
    let results = try SimulatedCluster.run(ranks: 5) { $0.collect(note: notes($0.rank)) }.map { try $0.get() }
    #expect(Array(results.dropFirst()) == Array(repeating: [], count: 4))
    return try #require(results.first)
  }

  @Test func eachIsThereOnceWithWhoHasIt() throws {
    #expect(try collected { _ in nil } == [])
    #expect(try collected { _ in "slow" } == ["slow"])
    #expect(try collected { $0 == 0 ? "slow" : nil } == ["slow"])
    #expect(try collected { $0 == 3 ? "slow" : nil } == ["rank 3 on n2: slow"])
    #expect(try collected { $0 > 0 ? "slow" : nil } == ["ranks 1, 2, 3 and 4: slow"])
    #expect(
      try collected { $0 == 4 ? "small" : $0 < 2 ? "slow" : nil } == ["ranks 0 and 1: slow", "rank 4 on n3: small"])
  }

  @Test func thoseThatDifferInNumbersAreOne() throws {
    #expect(try collected { "\($0 + 1) of 16 threads" } == ["1 of 16 threads"])
    #expect(try collected { $0 > 2 ? "\(9 + $0) MB" : nil } == ["rank 3 on n2, and alike 1 other rank: 12 MB"])
    #expect(
      try collected { $0 > 0 ? "\($0 * 5) MB" : "fast" } == ["fast", "rank 1 on n1, and alike 3 other ranks: 5 MB"])
  }

  @Test func aloneItStays() {
    #expect(Cluster.alone.collect(note: "1 MB") == ["1 MB"])
  }
}
