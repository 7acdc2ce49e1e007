import Foundation
import Testing

@testable import Metrics

/// seqeval's metrics of random tags, written by scripts/golden/seqeval.py.
@Suite struct EntityTests {
  private struct Case: Decodable {
    let names: [String]
    let predicted: [[Int]]
    let labels: [[Int]]
    let metrics: [String: Double]
    let entities: [[[EntityPart]]]

    var predictions: Predictions {
      let scores = predicted.joined().map { tag in names.indices.map { Float($0 == tag ? 1 : 0) } }
      return Predictions(
        scores: scores, labels: labels.joined().map(Label.classIndex),
        tagSequences: TagSequences(names: names, lengths: labels.map(\.count)))
    }
  }

  /// A type or a word's number.
  private enum EntityPart: Decodable {
    case type(String)
    case word(Int)

    init(from decoder: any Decoder) throws {
      let value = try decoder.singleValueContainer()
      self = if let number = try? value.decode(Int.self) { .word(number) } else { .type(try value.decode(String.self)) }
    }

    var word: Int { if case .word(let number) = self { number } else { -1 } }
    var type: String { if case .type(let text) = self { text } else { "" } }
  }

  private func cases() throws -> [Case] {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../Fixtures/seqeval.json")
    return try JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
  }

  @Test func metricsEqualSeqevals() throws {
    let cases = try cases(), metrics: [Metric] = [.entityF1, .entityPrecision, .entityRecall, .accuracy]
    #expect(cases.count == 62)
    for (number, example) in cases.enumerated() {
      for found in metrics.values(example.predictions) {
        let expected = try #require(example.metrics[found.name])
        #expect(abs(found.value - expected) < 1e-9, "case \(number), \(found.name)")
      }
    }
  }

  @Test func entitiesEqualSeqevals() throws {
    for (number, example) in try cases().enumerated() {
      let tags = EntityTags(example.names)
      for (row, expected) in zip(example.predicted, example.entities) {
        let found = tags.entities(row)
        #expect(found.map { Array($0.type.utf8) } == expected.map { Array($0[0].type.utf8) }, "case \(number)")
        #expect(
          found.map { [$0.words.lowerBound, $0.words.upperBound - 1] } == expected.map { [$0[1].word, $0[2].word] })
      }
    }
  }

  @Test func tellsTagsOfEntitiesFromOthers() {
    #expect(EntityTags.areEntities(["O", "B-PER", "I-PER", "S-X", "E-X"]))
    #expect(!EntityTags.areEntities(["NOUN", "O"]))
  }

  @Test func areZeroWithoutWords() {
    let none = Predictions(scores: [], labels: [], tagSequences: TagSequences(names: ["O"], lengths: []))
    let metrics: [Metric] = [.entityF1, .entityPrecision, .entityRecall]
    #expect(metrics.values(none).allSatisfy { $0.value == 0 })
  }
}
