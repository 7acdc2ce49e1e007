import Foundation
import Tasks
import Testing
import Tokenizers
import Training

/// Prompts and answers as tokens, by a small tokenizer that writes no special tokens of its own.
@Suite struct PromptEncodingTests {
  private func tokenizer(_ name: String = "smollm") throws -> Tokenizer {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    return try Tokenizer(modelDirectory: "\(tests.path)/TokenizersTests/Golden/language/\(name)")
  }

  private func data(_ examples: [PromptedText]) -> PromptedDataset {
    PromptedDataset(examples: examples, file: "d.json")
  }

  @Test func theAnswerBeginsWhereTheTextsPart() throws {
    let tokenizer = try tokenizer()
    let tokens = tokenizer.tokens(prompt: "the old harbour\n", continuation: "lay quiet")
    #expect(tokens.ids == tokenizer.ids(of: "the old harbour\nlay quiet"))
    #expect(tokenizer.decode(tokens.ids[..<tokens.targetStart]) == "the old harbour\n")
    // "har|bour" are one word to the tokenizer, so what crosses the border is learnt.
    let crossing = tokenizer.tokens(prompt: "the har", continuation: "bour")
    #expect("the har".hasPrefix(tokenizer.decode(crossing.ids[..<crossing.targetStart])))
    #expect(tokenizer.tokens(prompt: "", continuation: "the").targetStart == 1)
  }

  @Test func beginTokensStayInThePrompt() throws {
    let tokenizer = try tokenizer("sp-bpe")
    let tokens = tokenizer.tokens(prompt: "", continuation: "the boats")
    #expect(tokens.targetStart == 1 && tokens.ids[0] == tokenizer.beginID)
  }

  @Test func endingsAreAppended() throws {
    let tokenizer = try tokenizer("sp-bpe"), pool = WorkerPool(threads: 2)
    let end = try #require(tokenizer.endID)
    let encoded = try EncodedPrompts(
      data([
        PromptedText(prompt: "the boats", answer: " return.", line: 1),
        PromptedText(prompt: "name : x", endsPrompt: true, answer: " the fog", line: 2),
      ]), tokenizer: tokenizer, maxLength: 100, pool: pool)
    #expect(encoded.items.map { $0.tokens.ids.last == end } == [true, true])
    let second = encoded.items[1].tokens
    #expect(second.ids[second.targetStart - 1] == end)
    #expect(encoded.skipped.isEmpty && encoded.cutAnswers == nil)
  }

  @Test func chatsEndWithTheirToken() throws {
    let tokenizer = try tokenizer(), pool = WorkerPool(threads: 1)
    let chat = data([PromptedText(prompt: "the", answer: " sea", ending: .text("<|im_end|>"), line: 1)])
    let tokens = try EncodedPrompts(chat, tokenizer: tokenizer, maxLength: 100, pool: pool).items[0].tokens
    #expect(tokens.ids.last == tokenizer.id(of: "<|im_end|>") && tokenizer.decode(tokens.ids) == "the sea")
    #expect(throws: TaskError.self) {
      try EncodedPrompts(chat, tokenizer: self.tokenizer("sp-bpe"), maxLength: 100, pool: pool)
    }
  }

  @Test func whatIsTooLongIsCutOrLeftOut() throws {
    let tokenizer = try tokenizer("sp-bpe"), pool = WorkerPool(threads: 1)
    let long = String(repeating: "the old harbour lay quiet ", count: 20)
    let encoded = try EncodedPrompts(
      data([
        PromptedText(prompt: long, answer: "x", line: 1), PromptedText(prompt: "the", answer: long, line: 2),
        PromptedText(prompt: "the", answer: " sea", line: 3),
      ]), tokenizer: tokenizer, maxLength: 16, pool: pool)
    #expect(encoded.items.map(\.index) == [1, 2])
    #expect(encoded.items[0].tokens.ids.count == 16)
    #expect(
      encoded.skipped.map(\.description) == ["d.json: left out 1 record with a prompt longer than 15 tokens (line 1)"])
    #expect(encoded.cutAnswers?.lines == [2])
    #expect(throws: TaskError.self) {
      try EncodedPrompts(
        data([PromptedText(prompt: long, answer: "x", line: 1)]), tokenizer: tokenizer, maxLength: 16, pool: pool)
    }
  }

  @Test func anEndThatIsMissing() throws {
    let tokenizer = try tokenizer()
    #expect(tokenizer.endID == nil)
    #expect(throws: TaskError.noEndOfText) {
      try EncodedPrompts(
        data([PromptedText(prompt: "a", answer: "b", line: 1)]), tokenizer: tokenizer, maxLength: 16,
        pool: WorkerPool(threads: 1))
    }
  }
}
