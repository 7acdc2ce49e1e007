import Testing

@testable import Tokenizers

@Suite struct TextStreamTests {
  @Test func holdsBytesBackUntilTheCharacterIsWhole() throws {
    let tokenizer = try Tokenizer(modelDirectory: "\(golden)/language/sp-bpe")
    let ids = tokenizer.ids(of: "a 😀b")
    var stream = TextStream(tokenizer)
    let texts = ids.map { stream.add($0) }
    #expect(texts.joined() == "a 😀b")
    #expect(stream.finish().isEmpty)
    let index = try #require(texts.firstIndex(of: "😀"))
    let before = texts[(index - 3)..<index]
    #expect(before.allSatisfy { $0.isEmpty })
  }

  @Test func whatNeverBecomesACharacterComesAtTheEnd() throws {
    for name in ["sp-bpe", "smollm", "llama-bpe"] {
      let tokenizer = try Tokenizer(modelDirectory: "\(golden)/language/\(name)")
      let ids = tokenizer.ids(of: "x🫠").dropLast()
      var stream = TextStream(tokenizer)
      let texts = ids.map { stream.add($0) }
      #expect(texts.joined() == "x")
      let last = stream.finish()
      #expect(!last.isEmpty && last.unicodeScalars.allSatisfy { $0 == "\u{FFFD}" })
    }
  }

  @Test func goesOnAfterAPrompt() throws {
    let tokenizer = try Tokenizer(modelDirectory: "\(golden)/language/sp-bpe")
    let ids = tokenizer.ids(of: "the old harbour lay")
    for cut in 0...ids.count {
      var stream = TextStream(tokenizer, after: Array(ids[..<cut]))
      let rest = ids[cut...].map { stream.add($0) }.joined() + stream.finish()
      #expect(tokenizer.decode(ids[..<cut]) + rest == "the old harbour lay")
    }
  }

  @Test func specialTokensAreSkippedOrKept() throws {
    let tokenizer = try Tokenizer(modelDirectory: "\(golden)/language/smollm")
    let ids = tokenizer.ids(of: "<|im_start|>the<|im_end|> sea")
    #expect(tokenizer.decode(ids) == "the sea")
    #expect(tokenizer.decode(ids, skipsSpecialTokens: false) == "<|im_start|>the<|im_end|> sea")
    var stream = TextStream(tokenizer, skipsSpecialTokens: false)
    let texts = ids.map { stream.add($0) }
    #expect(texts.joined() == "<|im_start|>the<|im_end|> sea")
    #expect(ids.count { tokenizer.isSpecial($0) } == 2)
  }
}
