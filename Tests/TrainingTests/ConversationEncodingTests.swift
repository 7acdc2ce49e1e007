import Checkpoints
import Diagnostics
import Foundation
import Kernels
import Models
import Testing
import Tokenizers

@testable import Tasks

/// Conversations as tokens, by a small tokenizer with the tokens of ChatML and none that it adds by itself.
@Suite struct ConversationEncodingTests {
  private func encoder(_ name: String = "smollm", maxLength: Int = 200, end: Int? = 0) throws -> TextEncoder {
    let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    let directory = "\(tests.path)/TokenizersTests/Golden/language/\(name)"
    let end = ", \"eos_token_id\": " + (end.map { "\($0)" } ?? "null")
    let model = try ModelConfig(json: "{\"model_type\": \"llama\", \"vocab_size\": 10\(end)}")
    return TextEncoder(
      try Tokenizer(modelDirectory: directory), maxLength: maxLength, model: model, directory: "m",
      pool: WorkerPool(threads: 2))
  }

  private func format(_ template: String?, _ layout: ConversationLayout = .messages) throws -> ConversationFormat {
    var options = TaskOptions(name: "instruct")
    options.promptTemplate = template
    return try ConversationFormat(options, layout: layout, modelDirectory: nil)
  }

  private let turns = Conversation([
    Message(.system, "Be kind."), Message(.user, "the old harbour"), Message(.assistant, "lay quiet"),
    Message(.user, "and the boats"), Message(.assistant, "return"),
  ])

  /// The texts of what is learnt, and of the whole.
  private func texts(_ item: EncodedDataset.Item, _ tokenizer: Tokenizer) throws -> (targets: [String], whole: String) {
    let document = try #require(item.documents.first)
    #expect(item.documents.count == 1 && document.length == item.ids.count)
    func text(_ range: Range<Int>) -> String { tokenizer.decode(item.ids[range], skipsSpecialTokens: false) }
    return (document.targets.map(text), text(0..<item.ids.count))
  }

  @Test(arguments: [AssistantLoss.all, .last, .everyToken])
  func ownTemplates(loss: AssistantLoss) throws {
    let encoder = try encoder(), tokenizer = encoder.tokenizer
    let item = try ConversationEncoder(format("chatml"), loss: loss, encoder: encoder).item(turns)
    let (targets, whole) = try texts(item, tokenizer)
    switch loss {
    case .all: #expect(targets == ["lay quiet<|im_end|>", "return<|im_end|>"])
    case .last: #expect(targets == ["return<|im_end|>"])
    case .everyToken: #expect(targets.count == 1 && targets[0].hasPrefix("system\nBe kind.<|im_end|>"))
    }
    // What follows the last answer is not needed, unless it is learnt.
    #expect(whole.hasPrefix("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n"))
    #expect(whole.hasSuffix(loss == .everyToken ? "return<|im_end|>\n" : "return<|im_end|>"))
  }

  @Test func endOfText() throws {
    let encoder = try encoder("llama-bpe", end: 2), tokenizer = encoder.tokenizer
    let question = Conversation([Message(.user, "the boats"), Message(.assistant, " return")])
    for (template, layout) in [
      (nil, ConversationLayout.completions), ("{instruction} =>", .messages), ("alpaca", .messages),
    ] {
      let conversations = try ConversationEncoder(format(template, layout), loss: .all, encoder: encoder)
      let item = try conversations.item(question)
      #expect(item.ids.first == tokenizer.id(of: "<s>") && item.ids.last == 2)
      let targets = try #require(item.documents.first?.targets)
      #expect(targets.count == 1 && targets[0].upperBound == item.ids.count)
      let prompt = try conversations.prompt(Conversation([Message(.user, "the boats")]))
      #expect(Array(item.ids[..<targets[0].lowerBound]) == prompt && conversations.ends.isEmpty)
    }
    #expect(throws: TaskError.noEndOfText(directory: "m")) {
      try ConversationEncoder(format("alpaca"), loss: .all, encoder: self.encoder(end: nil))
    }
  }

  @Test func earlierAnswersEndInAPromptToo() throws {
    let encoder = try encoder("llama-bpe", end: 2)
    let conversations = try ConversationEncoder(format("llama-2"), loss: .all, encoder: encoder)
    let whole = try conversations.item(turns)
    let prompt = try conversations.prompt(Conversation(Array(turns.messages.dropLast())))
    #expect(Array(whole.ids.prefix(prompt.count)) == prompt)
    #expect(prompt.filter { $0 == 2 }.count == 1 && whole.ids.filter { $0 == 2 }.count == 2)
  }

  @Test func aTemplateOfTheModel() throws {
    let source = """
      {% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}\
      {% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
      """
    let encoder = try encoder(), template = ConversationFormat.template(try ChatTemplate(source, file: "t.jinja"))
    let conversations = try ConversationEncoder(template, loss: .all, encoder: encoder)
    let item = try conversations.item(turns)
    #expect(try texts(item, encoder.tokenizer).targets == ["lay quiet<|im_end|>", "return<|im_end|>"])
    #expect(conversations.ends == [try #require(encoder.tokenizer.id(of: "<|im_end|>"))])
    #expect(conversations.notices.isEmpty)
    let prompt = try conversations.prompt(Conversation([Message(.user, "the boats")]))
    #expect(
      encoder.tokenizer.decode(prompt, skipsSpecialTokens: false)
        == "<|im_start|>user\nthe boats<|im_end|>\n<|im_start|>assistant\n")
  }

  @Test(arguments: ["chatml", "llama-3"])
  func anEndThatIsNoToken(template: String) throws {
    let ending = template == "chatml" ? "<|im_end|>" : "<|eot_id|>", encoder = try encoder("llama-bpe", end: 2)
    #expect {
      try ConversationEncoder(format(template), loss: .all, encoder: encoder).requireEnding()
    } throws: {
      "\($0)"
        == "task.chat_template: the template \(template) ends the assistant's turns with \"\(ending)\", which is no token "
        + "of the model's tokenizer, so that an answer could not end"
    }
  }

  @Test func anEndThatIsNot() throws {
    let source = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    let template = ConversationFormat.template(try ChatTemplate(source, file: "t.jinja"))
    let conversations = try ConversationEncoder(template, loss: .all, encoder: encoder())
    #expect(
      conversations.notices == [
        "t.jinja: nothing ends the assistant's turns, so that answers will not end by themselves"
      ])
  }

  // MARK: - Files

  private func file(_ conversations: [Conversation]) throws -> ConversationFile {
    let lines = conversations.map { conversation in
      let messages = conversation.messages.map { #"{"role": "\#($0.role.rawValue)", "content": "\#($0.text ?? "")"}"# }
      return #"{"messages": [\#(messages.joined(separator: ", "))]}"#
    }
    return try ConversationFile(
      Table(bytes: Array(lines.joined(separator: "\n").utf8), file: "d.jsonl", format: .jsonl))
  }

  private func data(
    _ conversations: [Conversation], maxLength: Int = 200, limit: Int = .max, packs: Bool = false,
    template: String = "chatml"
  ) throws -> EncodedDataset {
    let encoder = try ConversationEncoder(format(template), loss: .all, encoder: encoder(maxLength: maxLength))
    return try EncodedDataset([file(conversations)], limit: limit, packs: packs, encoder)
  }

  @Test func whatIsTooLongLosesItsOldestTurns() throws {
    let whole = try data([turns]), length = whole.items[0].ids.count
    #expect(
      whole.leftOut == ["d.jsonl: 1 conversations (messages), put into the template chatml; loss on every answer"])
    let short = Conversation([turns.messages[0], turns.messages[3], turns.messages[4]])
    let long = Conversation([
      Message(.user, String(repeating: "the boats ", count: 50)), Message(.assistant, "return"),
    ])
    let cut = try data([long, turns, short], maxLength: length - 1)
    #expect(cut.items.count == 2 && cut.items[0].ids == cut.items[1].ids)
    #expect(
      Array(cut.leftOut.dropFirst()) == [
        "d.jsonl: cut the oldest turns of 1 conversation of more than \(length - 1) tokens (task.max_seq_length) (line 2)",
        "d.jsonl: left out 1 conversation of more than \(length - 1) tokens (task.max_seq_length) (line 1)",
      ])
    #expect(throws: TaskError.self) { try data([long], maxLength: 40) }
    #expect(try data([turns, short], limit: 1).items.count == 1)
  }

  @Test func answersThatTheTemplateLeavesOut() throws {
    let source = "{% for m in messages[-2:] %}{{ m.content }}<|im_end|>{% endfor %}"
    let format = ConversationFormat.template(try ChatTemplate(source, file: "t.jinja"))
    let conversations = try ConversationEncoder(format, loss: .all, encoder: encoder())
    let data = try EncodedDataset([file([turns])], limit: 9, packs: false, conversations)
    #expect(data.items.count == 1 && data.items[0].documents[0].targets.count == 1)
    let last = data.leftOut.last
    #expect(
      last
        == "d.jsonl: the template leaves out or does not mark answers of 1 conversation, which are not learnt (line 1)")
  }

  @Test func packing() throws {
    let some = (1...9).map { count in
      Conversation([
        Message(.user, String(repeating: "boats ", count: 3 * count % 7 + 1)), Message(.assistant, "return \(count)"),
      ])
    }
    let plain = try data(some), packed = try data(some, maxLength: 64, packs: true)
    #expect(packed.items.count < plain.items.count && packed.items.allSatisfy { $0.ids.count <= 64 })
    #expect(packed.leftOut.last == "packed 9 conversations into \(packed.items.count) rows")
    #expect(packed.items.reduce(0) { $0 + $1.targetCount } == plain.items.reduce(0) { $0 + $1.targetCount })
    // Every conversation is there once, with what is learnt of it.
    let alone = plain.items.map { ($0.ids, $0.documents[0].targets) }.sorted { $0.0.lexicographicallyPrecedes($1.0) }
    let together = packed.items.flatMap { $0.documentIDs.map { ($0.ids, $0.document.targets) } }
      .sorted { $0.0.lexicographicallyPrecedes($1.0) }
    #expect(alone.map(\.0) == together.map(\.0) && alone.map(\.1) == together.map(\.1))
  }

  @Test func whatTheTemplateRefusesIsNamed() throws {
    let tool = Conversation([Message(.user, "a"), Message(.tool, "b"), Message(.assistant, "c")])
    #expect {
      _ = try data([turns, tool], template: "llama-2")
    } throws: {
      "\($0)".hasPrefix("d.jsonl:2: llama-2:") && "\($0)".hasSuffix("llama-2 has no turns of the role tool")
    }
    #expect {
      _ = try data([turns], template: "{instruction}")
    } throws: {
      "\($0)" == "d.jsonl:1: has more than one question with its answer, which the prompt template has no fields for"
    }
  }
}
