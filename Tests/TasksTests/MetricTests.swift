import Foundation
import Testing

@testable import Metrics

@Suite struct MetricTests {
  /// A case of Tests/Fixtures/metrics.json, written by scripts/golden/metrics.py.
  struct Case: Decodable {
    let outputs: Int
    let scores: [Float]
    let targets: [Float]?
    /// The numbers of the labels that hold.
    let sets: [[Int]]?
    let metrics: [String: Double]
  }

  static func fixture() throws -> [Case] {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../Fixtures/metrics.json")
    return try JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
  }

  @Test func equalThoseOfScikitLearnAndScipy() throws {
    let cases = try Self.fixture()
    #expect(cases.count == 79)
    for (number, example) in cases.enumerated() {
      let rows = stride(from: 0, to: example.scores.count, by: example.outputs)
        .map { Array(example.scores[$0..<($0 + example.outputs)]) }
      let targets = example.targets?.map { example.outputs == 1 ? Label.score($0) : .classIndex(Int($0)) }
      let labels = try #require(targets ?? example.sets?.map(Label.classSet))
      for (name, expected) in example.metrics {
        let metric = try #require(Metric.all.first { $0.name == name })
        let found = try #require([metric].values(Predictions(scores: rows, labels: labels)).first)
        #expect(found.name == name)
        #expect(abs(found.value - expected) <= 1e-12 * max(1, abs(expected)), "case \(number), \(name)")
      }
    }
  }

  private func values(_ metrics: [Metric], _ scores: [[Float]], _ labels: [Label]) -> [Double] {
    metrics.values(Predictions(scores: scores, labels: labels)).map(\.value)
  }

  @Test func keepTheOrderAskedFor() {
    let metrics: [Metric] = [.f1, .accuracy], labels: [Label] = [.classIndex(1), .classIndex(1)]
    let found = metrics.values(Predictions(scores: [[0, 1], [1, 0]], labels: labels))
    #expect(found.map(\.name) == ["f1", "accuracy"])
    #expect(found.map(\.value) == [2.0 / 3, 0.5])
  }

  @Test func areZeroWhereUndefined() {
    #expect(values([.f1, .matthews], [[1, 0], [1, 0]], [.classIndex(0), .classIndex(0)]) == [0, 0])
    #expect(values([.pearson, .spearman], [[0.1], [0.1], [0.1]], [.score(1), .score(2), .score(3)]) == [0, 0])
    #expect(values([.pearson, .spearman], [[.nan], [1]], [.score(1), .score(2)]) == [0, 0])
    #expect(values(Metric.all.filter { $0.needs != .none }, [], []).allSatisfy { $0 == 0 })
  }

  /// Where scikit-learn refuses or gives NaN.
  @Test func areZeroForOneClass() {
    let sets: [Label] = [.classSet([0]), .classSet([0, 1])]
    #expect(values([.rocAUC], [[1, 2], [3, 0]], sets) == [0])
    #expect(values([.rocAUC], [[1, 2, 0], [3, 0, 1]], [.classIndex(0), .classIndex(1)]) == [0])
    #expect(values([.rocAUC], [[.nan, 0], [0, 1]], [.classIndex(0), .classIndex(1)]) == [0])
    #expect(values([.r2], [[1]], [.score(1)]) == [0])
  }

  /// Probabilities that round to 1 still have an order.
  @Test func sureScoresAreNoTies() {
    let scores: [[Float]] = [[0, 50, 1], [0, 60, 1], [0, 70, 1], [9, 0, 0], [0, 0, 9]]
    let labels = [1, 1, 1, 0, 2].map(Label.classIndex)
    #expect(values([.rocAUC], scores, labels) == [1])
    #expect(values([.rocAUC], scores.map { Array($0.prefix(2)) }, [1, 0, 1, 0, 0].map(Label.classIndex)) == [5.0 / 6])
  }

  @Test func knowTheirDirection() {
    #expect(Metric.all.filter { !$0.greaterIsBetter }.map(\.name) == ["mse", "mae", "perplexity", "loss"])
    #expect(Set(Metric.all.map(\.name)).count == Metric.all.count)
  }

  @Test func lossAndLengthsCountToo() {
    let predictions = Predictions(
      scores: [[-2, -3], [-1, -4]], labels: [.classIndex(1), .classIndex(0)], meanLoss: 1,
      choiceLengths: [[1, 6], [2, 2]])
    let found = [Metric.accuracy, .accuracyNorm, .perplexity, .loss].values(predictions).map(\.value)
    #expect(found == [0.5, 1, exp(1), 1])
  }

  @Test func ofEqualScoresTheFirstIsHighest() {
    #expect(argmax([1, 3, 3, 2]) == 1)
    #expect(argmax([Float]()) == 0)
  }

  @Test func tiesShareTheirAverageRank() {
    #expect(averageRanks([2, 1, 2, 5, 2]) == [3, 1, 3, 5, 3])
  }
}
