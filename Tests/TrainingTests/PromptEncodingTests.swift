import Checkpoints
import Foundation
import Kernels
import Models
import Tasks
import Testing
import Tokenizers

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
    let tokenizer = try tokenizer("llama-bpe")
    let tokens = tokenizer.tokens(prompt: "", continuation: "the boats")
    #expect(tokens.targetStart == 1 && tokens.ids[0] == tokenizer.id(of: "<s>"))
  }

  private func encoder(_ name: String = "sp-bpe", maxLength: Int = 100, end: Int? = 2) throws -> TextEncoder {
    let end = ", \"eos_token_id\": " + (end.map { "\($0)" } ?? "null")
    let model = try ModelConfig(json: "{\"model_type\": \"llama\", \"vocab_size\": 10\(end)}")
    return TextEncoder(
      try tokenizer(name), maxLength: maxLength, model: model, directory: "m", pool: WorkerPool(threads: 2))
  }

  @Test func endingsAreAppended() throws {
    let encoded = try EncodedDataset(
      data([
        PromptedText(prompt: "the boats", answer: " return.", file: "d.json", line: 1),
        PromptedText(prompt: "name : x", endsPrompt: true, answer: " the fog", file: "d.json", line: 2),
      ]), encoder: encoder())
    #expect(encoded.items.map { $0.ids.last == 2 } == [true, true] && encoded.leftOut.isEmpty)
    let second = encoded.items[1], target = try #require(second.documents.first?.targets.first)
    #expect(second.ids[target.lowerBound - 1] == 2 && target.upperBound == second.ids.count)
  }

  @Test func whatIsTooLongIsCutOrLeftOut() throws {
    let long = String(repeating: "the old harbour lay quiet ", count: 20)
    let prompts = data([
      PromptedText(prompt: long, answer: "x", file: "d.json", line: 1),
      PromptedText(prompt: "the", answer: long, file: "d.json", line: 2),
      PromptedText(prompt: "the", answer: " sea", file: "d.json", line: 3),
    ])
    let together = try EncodedDataset(prompts, encoder: encoder(maxLength: 16))
    #expect(together.items.count == 2 && together.items[0].ids.count == 16)
    #expect(
      together.leftOut == [
        "d.json: cut 1 answer of more than 16 tokens (task.max_seq_length) (line 2)",
        "d.json: left out 1 prompt that leaves no room for an answer (line 1)",
      ])
    #expect(throws: TaskError.self) {
      try EncodedDataset(
        data([PromptedText(prompt: long, answer: "x", file: "d.json", line: 1)]), encoder: encoder(maxLength: 16))
    }
  }

  @Test func anEndThatIsMissing() throws {
    #expect(throws: TaskError.noEndOfText(directory: "m")) {
      try EncodedDataset(
        data([PromptedText(prompt: "a", answer: "b", file: "d.json", line: 1)]), encoder: encoder(end: nil))
    }
  }

  @Test func severalAnswersInOneConversation() {
    let item = EncodedDataset.Item(turns: [
      .init([1, 2], isTarget: false), .init([3], isTarget: true), .init([4], isTarget: false),
      .init([5, 6], isTarget: true),
    ])
    #expect(item.ids == [1, 2, 3, 4, 5, 6] && item.targetCount == 3)
    #expect(item.documents.map(\.targets) == [[2..<3, 4..<6]])
    // What is said first is predicted by nothing.
    #expect(EncodedDataset.Item(turns: [.init([1, 2], isTarget: true)]).documents[0].targets == [1..<2])
  }
}
