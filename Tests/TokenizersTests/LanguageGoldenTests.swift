import Foundation
import Testing

@testable import Tokenizers

/// Ids and texts from `tokenizers` and transformers; scripts/golden/language_tokenizers.py writes them.
@Suite struct LanguageGoldenTests {
  static let names = [
    "llama-bpe", "llama-metaspace", "llama-split", "llama-unknown", "llama3", "pieces", "qwen2", "smollm", "sp-bpe",
    "sp-bpe-symbols", "sp-suffix", "sp-unigram", "sp-unigram-bytes",
  ]

  @Test(arguments: names)
  func encodesAsTheLibrary(name: String) throws {
    let tokenizer = try tokenizer(name)
    var count = 0
    for fields in try lines("texts.jsonl") {
      let text = try #require(fields[0] as? String)
      guard let expected = try #require(fields[1] as? [String: [Int]])[name] else { continue }
      #expect(tokenizer.encode(text).ids.map { Int($0) } == expected, "\(text.debugDescription)")
      count += 1
    }
    #expect(count > 30)
  }

  @Test(arguments: names)
  func decodesAsTheLibrary(name: String) throws {
    let tokenizer = try tokenizer(name)
    var count = 0
    for fields in try lines("decoded.jsonl") where fields[0] as? String == name {
      let ids = try #require(fields[1] as? [Int]).map { Int32($0) }
      let text = try #require(fields[2] as? String), kept = try #require(fields[3] as? String)
      expect(tokenizer.decode(ids), text, ids)
      expect(tokenizer.decode(ids, skipsSpecialTokens: false), kept, ids)
      count += 1
    }
    #expect(count == 30)
  }

  /// Streamed texts are never cut within a character, and together are the whole text.
  @Test(arguments: names)
  func streams(name: String) throws {
    let tokenizer = try tokenizer(name)
    for fields in try lines("texts.jsonl") {
      let ids = tokenizer.ids(of: try #require(fields[0] as? String))
      var stream = TextStream(tokenizer)
      var texts = ids.map { stream.add($0) }
      let whole = tokenizer.decode(ids)
      // A character is held back until it is whole, so U+FFFD comes only from the text itself.
      if !whole.unicodeScalars.contains("\u{FFFD}") {
        #expect(!texts.joined().unicodeScalars.contains("\u{FFFD}"), "\(ids)")
      }
      texts.append(stream.finish())
      expect(texts.joined(), whole, ids)
    }
  }

  private func expect(_ found: String, _ expected: String, _ ids: [Int32]) {
    #expect(
      found.unicodeScalars.elementsEqual(expected.unicodeScalars),
      "\(ids): \(found.debugDescription), not \(expected.debugDescription)")
  }

  private func tokenizer(_ name: String) throws -> Tokenizer {
    try Tokenizer(modelDirectory: "\(golden)/language/\(name)")
  }

  private func lines(_ name: String) throws -> [[Any]] {
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(golden)/language/\(name)"))
    return try data.split(separator: 0x0A).map { try #require(try JSONSerialization.jsonObject(with: $0) as? [Any]) }
  }
}
