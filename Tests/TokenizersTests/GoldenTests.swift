import Foundation
import Testing

@testable import Tokenizers

/// Where scripts/golden/tokenizers.py writes.
let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Golden").path

/// Ids and type ids from the PyPI library, for texts made to be hard.
@Suite struct GoldenTests {
  struct Case {
    var text: String
    var pair: String?
    var maxLength: Int?
    var expected: [String: Encoding]
  }

  @Test(arguments: [
    "wordpiece", "wordpiece-cased", "wordpiece-sequence", "byte-bpe", "byte-bpe-prefix", "byte-bpe-whole",
    "bpe-affixes",
  ])
  func encodesAsTheLibrary(name: String) throws {
    let tokenizer = try Tokenizer(modelDirectory: "\(golden)/\(name)")
    try check(tokenizer, against: name)
  }

  @Test func encodesAsTheLibraryFromTheVocabularyAlone() throws {
    try check(
      Tokenizer(modelDirectory: "\(golden)/wordpiece-files", tokenizerClass: "BertTokenizer"), against: "wordpiece")
    try check(
      Tokenizer(modelDirectory: "\(golden)/byte-bpe-files", tokenizerClass: "RobertaTokenizer"), against: "byte-bpe")
  }

  @Test func isTheSameFromManyThreads() async throws {
    let tokenizer = try Tokenizer(modelDirectory: "\(golden)/byte-bpe")
    let texts = try cases().map(\.text)
    let expected = texts.map { tokenizer.ids(of: $0) }
    let fresh = try Tokenizer(modelDirectory: "\(golden)/byte-bpe")
    await withTaskGroup(of: Bool.self) { group in
      for _ in 0..<8 { group.addTask { texts.map { fresh.ids(of: $0) } == expected } }
      for await isSame in group { #expect(isSame) }
    }
  }

  /// Every scalar's classes against what the library takes it for.
  @Test func classesOfScalars() throws {
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(golden)/scalars.json"))
    let ranges = try #require(try JSONSerialization.jsonObject(with: data) as? [String: [[Int]]])
    let classes: [String: (Unicode.Scalar) -> Bool] = [
      "bertControl": \.isBertControl, "bertAccent": \.isBertAccent, "bertIdeograph": \.isBertIdeograph,
      "bertPunctuation": \.isBertPunctuation, "space": \.isSpace, "combiningMark": \.isCombiningMark,
      "letter": \.isLetter, "number": \.isNumber, "word": \.isWordScalar,
    ]
    #expect(Set(ranges.keys) == Set(classes.keys))
    for (name, isMember) in classes {
      let found = (0..<0x110000).lazy.compactMap { Unicode.Scalar(UInt32($0)) }.filter(isMember)
      var wanted = Set((ranges[name] ?? []).flatMap { Array($0[0]...$0[1]) })
      // NUL is removed by the same cleaning, but is told apart here.
      if name == "bertControl" { wanted.insert(0) }
      #expect(Set(found.map { Int($0.value) }) == wanted, "\(name)")
    }
  }

  private func check(_ tokenizer: Tokenizer, against name: String) throws {
    var count = 0
    for example in try cases() {
      guard let expected = example.expected[name] else { continue }
      let encoding = tokenizer.encode(example.text, pair: example.pair, maxLength: example.maxLength)
      #expect(encoding == expected, "\(example)")
      count += 1
    }
    #expect(count > 50)
  }

  private func cases() throws -> [Case] {
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(golden)/cases.jsonl"))
    return try data.split(separator: 0x0A).map { line in
      let fields = try #require(try JSONSerialization.jsonObject(with: line) as? [Any])
      let expected = try #require(fields[3] as? [String: [[Int]]])
      return Case(
        text: try #require(fields[0] as? String), pair: fields[1] as? String, maxLength: fields[2] as? Int,
        expected: expected.mapValues { Encoding(ids: $0[0].map { Int32($0) }, typeIDs: $0[1].map { Int32($0) }) })
    }
  }
}
