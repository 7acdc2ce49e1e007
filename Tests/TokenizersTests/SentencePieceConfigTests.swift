import Foundation
import Testing

@testable import Tokenizers

/// What tokenizer_config.json adds to a tokenizer.model.
@Suite struct SentencePieceConfigTests {
  private func tokenizer(_ config: String?) throws -> Tokenizer {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("pieces-\(UUID())")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let model = URL(fileURLWithPath: "\(golden)/language/sp-bpe/tokenizer.model")
    try Data(contentsOf: model).write(to: directory.appendingPathComponent("tokenizer.model"))
    if let config { try Data(config.utf8).write(to: directory.appendingPathComponent("tokenizer_config.json")) }
    return try Tokenizer(modelDirectory: directory.path)
  }

  private func listed(_ size: Int, _ more: String = "") -> String {
    let flags = #""lstrip": false, "rstrip": false, "normalized": false, "single_word": false, "special": true"#
    return #"{"added_tokens_decoder": {"1": {"content": "<s>", \#(flags)}, "#
      + #""\#(size)": {"content": "<|im_end|>", \#(flags)}}\#(more)}"#
  }

  @Test func withoutConfigTextIsText() throws {
    let tokenizer = try tokenizer(nil)
    #expect(tokenizer.encode("the").ids.first == 1 && tokenizer.encode("the").ids.last != 2)
    #expect(!tokenizer.ids(of: "<s>").contains(1))
  }

  @Test func listedTokensAreFound() throws {
    let size = try tokenizer(nil).vocabularySize
    let tokenizer = try tokenizer(listed(size))
    #expect(tokenizer.vocabularySize == size + 1 && tokenizer.isSpecial(Int32(size)))
    let the = tokenizer.ids(of: "the")
    #expect(tokenizer.ids(of: "<s>the<|im_end|>the") == [1] + the + [Int32(size)] + the)
    #expect(tokenizer.decode(tokenizer.ids(of: "the<|im_end|>")) == "the")
    #expect(tokenizer.decode(tokenizer.ids(of: "the<|im_end|>"), skipsSpecialTokens: false) == "the<|im_end|>")
  }

  @Test func newerModelsPutNoSpaceAfterTokens() throws {
    let size = try tokenizer(nil).vocabularySize
    let tokenizer = try tokenizer(listed(size, #", "legacy": false"#))
    let ids = tokenizer.ids(of: "the<|im_end|>the")
    #expect(tokenizer.decode(ids, skipsSpecialTokens: false) == "the<|im_end|>the")
    #expect(tokenizer.token(ids[0])?.hasPrefix("▁") == true)
    #expect(tokenizer.token(ids[(ids.firstIndex(of: Int32(size)) ?? 0) + 1])?.hasPrefix("▁") == false)
  }

  @Test func beginAndEndAreOptions() throws {
    let tokenizer = try tokenizer(#"{"add_bos_token": false, "add_eos_token": true}"#)
    let ids = tokenizer.encode("the").ids
    #expect(ids == tokenizer.ids(of: "the") + [2])
  }
}
