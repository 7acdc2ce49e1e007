import Foundation
import Testing

@testable import Tokenizers

/// Ids and texts of model directories from transformers' `AutoTokenizer`; scripts/golden/tokenizer_directories.py writes
/// them.
@Suite struct DirectoryGoldenTests {
  /// A directory and what transformers makes of it.
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    /// File names, with the file of the golden values that each is.
    var files: [String: String]
    /// Further files and their text.
    var small: [String: Data]
    /// The tokenizer class that transformers registers for the model type.
    var registered: String?
    /// Whether it takes that class even where the files name another one.
    var isForced: Bool
    /// Of every text, then of every pair.
    var ids: [[Int32]]
    var decoded: [(ids: [Int32], text: String, withSpecial: String)]

    var testDescription: String { name }
  }

  @Test(arguments: try cases())
  func readsAsTransformers(example: Case) throws {
    let tokenizer = try Self.tokenizer(example)
    let (texts, pairs) = try Self.texts()
    #expect(example.ids.count == texts.count + pairs.count)
    for (text, ids) in zip(texts, example.ids) {
      #expect(tokenizer.encode(text).ids == ids, "\(text.debugDescription)")
    }
    for (pair, ids) in zip(pairs, example.ids.dropFirst(texts.count)) {
      #expect(tokenizer.encode(pair[0], pair: pair[1]).ids == ids, "\(pair)")
    }
    for (ids, text, withSpecial) in example.decoded {
      expect(tokenizer.decode(ids), text, ids)
      expect(tokenizer.decode(ids, skipsSpecialTokens: false), withSpecial, ids)
    }
  }

  /// Texts cut into words, as scripts/golden/tokenizer_words.py has them.
  private struct WordCases: Decodable {
    struct Row: Decodable {
      let ids: [Int32]
      let first: [Int?]
    }

    let sentences: [[String]]
    let limit: Int
    let cases: [String: [Row]]
  }

  @Test func readsWordsAsTransformers() throws {
    let file = URL(fileURLWithPath: "\(Self.folder)/words.json")
    let expected = try JSONDecoder().decode(WordCases.self, from: Data(contentsOf: file))
    let cases = try Self.cases()
    #expect(Set(expected.cases.keys) == Set(cases.map(\.name)))
    for example in cases {
      let tokenizer = try Self.tokenizer(example, addsPrefixSpace: true)
      let rows = try #require(expected.cases[example.name]), count = expected.sentences.count
      for (number, row) in rows.enumerated() {
        let found = tokenizer.encode(
          words: expected.sentences[number % count], maxLength: number < count ? nil : expected.limit)
        #expect(found.encoding.ids == row.ids, "\(example.name) \(number)")
        #expect(found.firstTokens == row.first, "\(example.name) \(number)")
      }
    }
  }

  @Test func saysWhichIDsAreNotTaken() throws {
    let gap = try #require(try Self.cases().first { $0.name == "added-decoder-gap" })
    let notes = try Self.tokenizer(gap).notes
    #expect(notes.count == 2)
    #expect(notes.first?.hasSuffix(#""<new>" is listed with id 300 but gets id 260, as in transformers"#) == true)
  }

  private func expect(_ found: String, _ expected: String, _ ids: [Int32]) {
    #expect(
      found.unicodeScalars.elementsEqual(expected.unicodeScalars),
      "\(ids): \(found.debugDescription), not \(expected.debugDescription)")
  }

  private static let folder = "\(golden)/directories"

  private static func tokenizer(_ example: Case, addsPrefixSpace: Bool = false) throws -> Tokenizer {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("\(example.name)-\(UUID())")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    for (name, source) in example.files {
      try FileManager.default.copyItem(
        at: URL(fileURLWithPath: "\(folder)/\(source)"), to: directory.appendingPathComponent(name))
    }
    for (name, content) in example.small { try content.write(to: directory.appendingPathComponent(name)) }
    return try Tokenizer(
      modelDirectory: directory.path, tokenizerClass: example.registered, forcesClass: example.isForced,
      addsPrefixSpace: addsPrefixSpace)
  }

  private static func texts() throws -> (texts: [String], pairs: [[String]]) {
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/texts.json"))
    let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    return (try #require(object["texts"] as? [String]), try #require(object["pairs"] as? [[String]]))
  }

  static func cases() throws -> [Case] {
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/cases.jsonl"))
    return try data.split(separator: 0x0A).map { line in
      let fields = try #require(try JSONSerialization.jsonObject(with: line) as? [String: Any])
      let small = try #require(fields["small"] as? [String: Any])
      let decoded = try #require(fields["decoded"] as? [[Any]])
      return Case(
        name: try #require(fields["name"] as? String), files: try #require(fields["files"] as? [String: String]),
        small: try small.mapValues { try JSONSerialization.data(withJSONObject: $0) },
        registered: fields["registered"] as? String, isForced: try #require(fields["forced"] as? Bool),
        ids: try #require(fields["ids"] as? [[Int]]).map { $0.map { Int32($0) } },
        decoded: try decoded.map {
          (
            try #require($0[0] as? [Int]).map { Int32($0) }, try #require($0[1] as? String),
            try #require($0[2] as? String)
          )
        })
    }
  }
}
