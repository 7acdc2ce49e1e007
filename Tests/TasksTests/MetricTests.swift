import Foundation
import Testing

@testable import Tasks

@Suite struct MetricTests {
  /// A case of Tests/Fixtures/metrics.json, written by scripts/golden/metrics.py.
  struct Case: Decodable {
    let outputs: Int
    let scores: [Float]
    let targets: [Float]
    let metrics: [String: Double]
  }

  static func fixture() throws -> [Case] {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../Fixtures/metrics.json")
    return try JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
  }

  @Test func equalThoseOfScikitLearnAndScipy() throws {
    let cases = try Self.fixture()
    #expect(cases.count == 37)
    for (number, example) in cases.enumerated() {
      let rows = stride(from: 0, to: example.scores.count, by: example.outputs)
        .map { Array(example.scores[$0..<($0 + example.outputs)]) }
      let labels = example.targets.map { example.outputs == 1 ? Label.score($0) : .classIndex(Int($0)) }
      for (name, expected) in example.metrics {
        let metric = try #require(Metric(rawValue: name))
        let found = try #require(evaluate([metric], scores: rows, labels: labels).first)
        #expect(found.name == name)
        #expect(abs(found.value - expected) <= 1e-12, "case \(number), \(name)")
      }
    }
  }

  @Test func keepTheOrderAskedFor() {
    let values = evaluate([.f1, .accuracy], scores: [[0, 1], [1, 0]], labels: [.classIndex(1), .classIndex(1)])
    #expect(values.map(\.name) == ["f1", "accuracy"])
    #expect(values.map(\.value) == [2.0 / 3, 0.5])
  }

  @Test func areZeroWhereUndefined() {
    let negatives = evaluate([.f1, .matthews], scores: [[1, 0], [1, 0]], labels: [.classIndex(0), .classIndex(0)])
    #expect(negatives.map(\.value) == [0, 0])
    let flat = evaluate(
      [.pearson, .spearman], scores: [[0.1], [0.1], [0.1]], labels: [.score(1), .score(2), .score(3)])
    #expect(flat.map(\.value) == [0, 0])
    let broken = evaluate([.pearson, .spearman], scores: [[.nan], [1]], labels: [.score(1), .score(2)])
    #expect(broken.map(\.value) == [0, 0])
    #expect(evaluate(Metric.allCases, scores: [], labels: []).allSatisfy { $0.value == 0 })
  }

  @Test func ofEqualScoresTheFirstIsHighest() {
    #expect(argmax([1, 3, 3, 2]) == 1)
    #expect(argmax([Float]()) == 0)
  }

  @Test func tiesShareTheirAverageRank() {
    #expect(averageRanks([2, 1, 2, 5, 2]) == [3, 1, 3, 5, 3])
  }
}
