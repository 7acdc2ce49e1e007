import Checkpoints
import Foundation
import Testing

@testable import Tasks

/// Which template a config means.
@Suite struct ConversationFormatTests {
  private let question = Conversation([Message(.user, "a")])

  private func text(
    _ template: String?, key: String = "chat_template", _ layout: ConversationLayout? = .messages,
    in directory: String? = nil,
    day: String? = nil
  ) throws -> String {
    var options = TaskOptions(name: "instruct")
    if key == "chat_template" { options.chatTemplate = template } else { options.promptTemplate = template }
    options.chatTemplateDate = day
    switch try ConversationFormat(options, layout: layout, modelDirectory: directory) {
    case .template(let template): return try template.render(question, answering: true, special: []).text
    case .fields(let template): return try template.text(question)
    }
  }

  @Test func theModelsOwn() throws {
    let model = try Folder([
      "chat_template.jinja": "own {{ messages[0].content }}", "additional_chat_templates/rag.jinja": "rag",
    ])
    #expect(try text("model", in: model.path) == "own a" && text("rag", in: model.path) == "rag")
    #expect(try text(nil, .messages, in: model.path) == "own a" && text(nil, .turns, in: model.path) == "own a")
    #expect(try text(nil, .completions, in: model.path) == "a")
    #expect(try text(nil, .instructions, in: model.path).hasPrefix("Below is an instruction"))
    #expect(try text(nil, nil, in: model.path).hasPrefix("Below is an instruction"))
  }

  @Test func files() throws {
    let folder = try Folder(["t.jinja": "file {{ messages[0].content }}\r\n", "t": "plain"])
    #expect(try text("\(folder.path)/t.jinja") == "file a" && text("\(folder.path)/t") == "plain")
    let gguf = "\(folder.path)/m.gguf"
    try GGUFWriter.write(metadata: [("tokenizer.chat_template", .string("gguf"))], tensors: [], to: gguf)
    #expect(try text(gguf) == "gguf")
    try GGUFWriter.write(metadata: [], tensors: [], to: gguf)
    #expect(message { _ = try text(gguf) } == "task.chat_template: \(gguf) has no tokenizer.chat_template")
    #expect(message { _ = try text("\(folder.path)/none.jinja") }.hasPrefix("\(folder.path)/none.jinja: "))
  }

  @Test func todayIsFixed() throws {
    let folder = try Folder(["t.jinja": "{{ strftime_now('%d %b %Y') }}"])
    #expect(try text("\(folder.path)/t.jinja") == "26 Jul 2024")
    #expect(try text("\(folder.path)/t.jinja", day: "2025-01-31") == "31 Jan 2025")
    for day in ["tomorrow", "2024-02-30", "24-1-1", "2024-02-03T10:00"] {
      #expect(
        message { _ = try text("chatml", day: day) }
          == "task.chat_template_date: must be a day such as 2024-07-26, not \"\(day)\"")
    }
  }

  @Test func fields() throws {
    #expect(try text("Q: {instruction} {{{input}}}\nA:", key: "prompt_template") == "Q: a {}\nA:")
  }

  @Test(arguments: [
    ("{instruktion}", "no field {instruktion}, did you mean {instruction}?; the fields are {instruction}, {input}"),
    ("{output}{instruction}", "no field {output}; the fields are {instruction}, {input}"),
    ("{instruction", "{ without } (a brace itself is written twice)"),
    ("instruction}", "} without { (a brace itself is written twice)"),
    (
      "chat-ml",
      "\"chat-ml\" has no {instruction}, and is no template's name; known are model (its own), another name of the model's, alpaca, chatml, "
        + "llama-2, llama-3, completion, a file of Jinja or GGUF, or a text with {instruction} and {input}"
    ),
    (
      "model",
      "\"model\" needs a chat template among the model's files (chat_template.jinja, or chat_template in "
        + "tokenizer_config.json), and there is none"
    ),
  ])
  func wrongTemplates(template: String, problem: String) {
    #expect(message { _ = try text(template, key: "prompt_template") } == "task.prompt_template: " + problem)
  }

  @Test func conversationsNeedATemplate() throws {
    let model = try Folder(["tokenizer_config.json": "{}"])
    #expect(
      message { _ = try text(nil, .messages, in: model.path) }.hasPrefix(
        "task.chat_template: conversations need one, and the model has none of its own; known are model"))
  }
}
