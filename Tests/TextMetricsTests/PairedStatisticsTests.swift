import Testing

@testable import Metrics

/// Values of scipy 1.16 and numpy 2.3 for the same numbers.
@Suite struct PairedStatisticsTests {
  private let differences = [0.012, -0.003, 0.021, 0.008, 0.015]

  @Test(arguments: [
    (2, 0.6559582607547387), (3, 0.28933094548129856), (4, 0.15219009961468022), (5, 0.0572774783718103),
  ])
  func tTests(count: Int, expected: Double) throws {
    let found = try #require(PairedStatistics.tTest(Array(differences.prefix(count))))
    #expect(abs(found - expected) < 1e-12)
  }

  @Test(arguments: [
    (2.5, 1, 0.24223788318168682), (2.5, 2, 0.12961172022151082), (2.5, 3, 0.08770664700806556),
    (0.3, 7, 0.7728900504021342), (12, 10, 2.921408824769984e-07),
  ])
  func tails(t: Double, freedom: Int, expected: Double) {
    #expect(abs(PairedStatistics.twoSided(t, freedom: freedom) - expected) < 1e-12)
  }

  @Test func differencesThatAreAllEqual() {
    #expect(PairedStatistics.tTest([0.5, 0.5, 0.5]) == nil)
    #expect(PairedStatistics.tTest([0.3 - 0.2, 0.1, 0.4 - 0.3]) == nil)
    #expect(PairedStatistics.tTest([0, 0]) == nil)
    #expect(PairedStatistics.tTest([1]) == nil)
  }

  @Test func bootstrapIntervals() throws {
    let five = try #require(PairedStatistics.bootstrapInterval(differences))
    #expect(abs(five.lowerBound - 0.003) < 1e-12 && abs(five.upperBound - 0.0172) < 1e-12)
    let three = try #require(PairedStatistics.bootstrapInterval(Array(differences.prefix(3))))
    #expect(abs(three.lowerBound - 0.00025) < 1e-12 && abs(three.upperBound - 0.01905) < 1e-12)
    #expect(PairedStatistics.bootstrapInterval([1]) == nil)
  }

  /// Variances 1 and 2 of three and two values: √(1/3 + 1).
  @Test func standardErrorsOfDifferences() throws {
    let error = try #require(PairedStatistics.standardErrorOfDifference([1, 2, 3], [2, 4]))
    #expect(abs(error - (4.0 / 3).squareRoot()) < 1e-15)
    #expect(PairedStatistics.standardErrorOfDifference([1], [2, 4]) == nil)
  }

  /// 0.005 · 4, 0.01 · 3, 0.03 · 2, and 0.04, which may not be below the one before.
  @Test func holmsCorrection() {
    let found = PairedStatistics.holm([0.01, 0.04, 0.03, 0.005])
    let close = zip(found, [0.03, 0.06, 0.06, 0.02]).allSatisfy { abs($0 - $1) < 1e-12 }
    #expect(close)
    #expect(PairedStatistics.holm([0.9, 0.8]) == [1, 1])
  }
}
