import Foundation
import Testing

@testable import Metrics

/// Where scripts/golden/text_metrics.py writes.
private let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden")

@Suite struct GoldenTests {
  struct Sample: Decodable {
    var candidates: [String]
    var references: [[String]]
    var scores: [String: Double]
    var tokens: [[String]]
    var words: [[String]]

    var examples: [GenerationExample] {
      zip(candidates, references).map { GenerationExample(candidate: $0, references: $1) }
    }
  }

  private func sample() throws -> Sample {
    let data = try Data(contentsOf: golden.appendingPathComponent("sample.json"))
    return try JSONDecoder().decode(Sample.self, from: data)
  }

  @Test func tokens() throws {
    let sample = try sample()
    #expect(sample.candidates.map { mtevalTokens($0, lowercased: true) } == sample.tokens)
    #expect(sample.candidates.map(captionWords) == sample.words)
  }

  @Test func scoresOfTheSample() throws {
    let sample = try sample()
    try check(sample.examples, sample.scores)
  }

  /// The whole development set, where `E2E_DIR` says where it is.
  @Test(.enabled(if: ProcessInfo.processInfo.environment["E2E_DIR"] != nil))
  func scoresOfTheDevelopmentSet() throws {
    let directory = try #require(ProcessInfo.processInfo.environment["E2E_DIR"])
    let data = try Data(contentsOf: golden.appendingPathComponent("devset.json"))
    try check(Self.developmentSet("\(directory)/devset.csv"), JSONDecoder().decode([String: Double].self, from: data))
  }

  /// E2E's development set with the outputs that scripts/golden/text_metrics.py makes for it.
  static func developmentSet(_ path: String) throws -> [GenerationExample] {
    let references = try e2eReferences(path)
    return references.indices.map { index in
      let words = references[index][0].split(separator: " ", omittingEmptySubsequences: false)
      let cut = words.enumerated().filter { $0.offset % 5 != 4 }.map(\.element).joined(separator: " ")
      let next = references[(index + 1) % references.count]
      return GenerationExample(
        candidate: index % 2 == 0 ? cut : next[next.count - 1], references: references[index])
    }
  }

  private func check(_ examples: [GenerationExample], _ expected: [String: Double]) throws {
    var found = Dictionary(uniqueKeysWithValues: GenerationScores(examples).named.map { ($0.name, $0.value) })
    found["rouge_l_f1"] = rougeLF1(examples)
    #expect(Set(found.keys) == Set(expected.keys))
    for (name, value) in expected {
      #expect(abs((found[name] ?? .nan) - value) < 1e-7 * max(1, value), "\(name)")
    }
  }

  /// References by meaning representation: the development set holds no line breaks in fields.
  private static func e2eReferences(_ path: String) throws -> [[String]] {
    let text = try String(contentsOfFile: path, encoding: .utf8)
    var order: [String] = [], found: [String: [String]] = [:]
    for line in text.split(whereSeparator: \.isNewline).dropFirst() {
      var fields = [""], quoted = false, previous: Character?
      for character in line {
        if character == "\"" {
          quoted.toggle()
          if quoted, previous == "\"" { fields[fields.count - 1] += "\"" }
        } else if character == ",", !quoted {
          fields.append("")
        } else {
          fields[fields.count - 1].append(character)
        }
        previous = character
      }
      if found[fields[0]] == nil { order.append(fields[0]) }
      found[fields[0], default: []].append(fields[1])
    }
    return order.compactMap { found[$0] }
  }
}

@Suite struct TextMetricTests {
  @Test func aPerfectText() {
    let text = "The Punter is a cheap family-friendly pub near the river."
    let scores = GenerationScores(
      [text, "Another place sells sushi, they say, for less."].map {
        GenerationExample(candidate: $0, references: [$0])
      })
    #expect(abs(scores.bleu - 1) < 1e-12 && abs(scores.rougeL - 1) < 1e-12 && abs(scores.cider - 10) < 1e-12)
  }

  @Test func nothingAtAll() {
    for examples in [
      [], [GenerationExample(candidate: "", references: ["a"])], [GenerationExample(candidate: "a", references: [])],
    ] {
      let scores = GenerationScores(examples)
      #expect(scores.named.allSatisfy { $0.value == 0 })
      #expect(rougeLF1(examples) == 0)
    }
  }

  /// Words are compared by code points, as in Python.
  @Test func canonicallyEqualWordsAreOthers() {
    let scores = GenerationScores([
      GenerationExample(candidate: "a good cafe\u{301} in town", references: ["a good caf\u{e9} in town"])
    ])
    #expect(scores.bleu < 0.5 && scores.rougeL < 0.9)
  }

  @Test func aShortTextIsPenalised() {
    let references = ["one two three four five six seven eight"]
    let short = GenerationScores([GenerationExample(candidate: "one two three four", references: references)])
    #expect(abs(short.bleu - exp(-1)) < 1e-12)
  }

  @Test func emptyReferencesCountForNothing() {
    let scores = GenerationScores([GenerationExample(candidate: "a b", references: ["", ""])])
    #expect(scores.nist == 0 && scores.rougeL == 0 && scores.cider == 0 && scores.bleu < 1e-6)
    #expect(rougeLF1([GenerationExample(candidate: "!", references: ["?"])]) == 0)
  }
}
