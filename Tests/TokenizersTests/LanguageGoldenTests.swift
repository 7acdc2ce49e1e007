import Testing

@testable import Tokenizers

/// Ids and texts from `tokenizers` and transformers; scripts/golden/language_tokenizers.py writes them.
@Suite struct LanguageGoldenTests {
  static let names = [
    "llama-bpe", "llama-metaspace", "llama-split", "llama-unknown", "llama3", "pieces", "qwen2", "smollm", "sp-bpe",
    "sp-bpe-symbols", "sp-suffix", "sp-unigram", "sp-unigram-bytes",
  ]

  private let texts = GoldenTexts(folder: "language")

  @Test(arguments: names) func encodesAsTheLibrary(name: String) throws { try texts.checkEncoding(name) }

  @Test(arguments: names) func decodesAsTheLibrary(name: String) throws { try texts.checkDecoding(name, count: 30) }

  /// Streamed texts are never cut within a character, and together are the whole text.
  @Test(arguments: names)
  func streams(name: String) throws {
    let tokenizer = try texts.tokenizer(name)
    for fields in try texts.lines("texts.jsonl") {
      let ids = tokenizer.ids(of: try #require(fields[0] as? String))
      var stream = TextStream(tokenizer)
      var parts = ids.map { stream.add($0) }
      let whole = tokenizer.decode(ids)
      // A character is held back until it is whole, so U+FFFD comes only from the text itself.
      if !whole.unicodeScalars.contains("\u{FFFD}") {
        #expect(!parts.joined().unicodeScalars.contains("\u{FFFD}"), "\(ids)")
      }
      parts.append(stream.finish())
      GoldenTexts.expect(parts.joined(), whole, ids)
    }
  }
}
