import Diagnostics
import Metrics
import Tokenizers

extension Task {
  /// Instructions to follow.
  public static let instruct = Task(
    "instruct", summary: "Instructions with the answers to learn: JSON, or as the file's ending tells",
    files: [
      .train: ["train.json", "train.jsonl"], .validation: ["validation.json", "validation.jsonl"],
      .test: ["test.json", "test.jsonl"],
    ], labels: .none, metrics: [.perplexity], options: [.promptTemplate, .fileFormat, .delimiter],
    textsPerExample: 2
  ) { opening in
    let format = opening.options.tableStyle
    let style = try InstructionStyle(
      opening.options.promptTemplate,
      chatTemplate: opening.modelDirectory.flatMap { try Tokenizer.chatTemplate(modelDirectory: $0) })
    var reader = TaskReader(labels: nil, objective: LanguageModelling()) { request in
      let files = try request.paths.map { try PromptedDataset(instructions: $0, format: format, style: style) }
      return PromptedDataset(joining: files).split(request, cut: .each)
    }
    reader.prompts = PromptFormat(ending: style.answer("").ending) {
      try $1.prompt(style.prompt(instruction: $0, input: ""), ends: false)
    }
    return reader
  }
}

extension PromptedDataset {
  /// Reads a file of instructions: a JSON list, or as `format` or its ending tells, with `instruction`, `output` and, where there is
  /// one, `input`. Other keys are not looked at. Records with an empty instruction or output are left out.
  package init(instructions path: String, format: TableStyle = TableStyle(), style: InstructionStyle) throws {
    try self.init(instructions: Table(path: path, style: format, otherwise: .json), style: style)
  }

  init(instructions table: Table, style: InstructionStyle) throws {
    let (examples, skipped) = try table.usable { (row) throws(TaskError) -> Usable<PromptedText> in
      let instruction = try table.text("instruction", of: row) ?? ""
      let input = try table.text("input", of: row, isRequired: false) ?? ""
      let output = try table.text("output", of: row) ?? ""
      if instruction.trimmed.isEmpty { return .skip("an empty instruction") }
      if output.trimmed.isEmpty { return .skip("an empty output") }
      if case .template(let template) = style, !input.isEmpty, !template.uses("input") {
        throw .badRecord(
          file: table.file, line: row.line, problem: "has an input, but the prompt template has no {input}")
      }
      let answer = style.answer(output)
      return .use(
        PromptedText(
          prompt: style.prompt(instruction: instruction, input: input), answer: answer.text, ending: answer.ending,
          references: [output], file: table.file, line: row.line))
    }
    self.init(examples: examples, file: table.file, skipped: skipped)
  }
}

/// How instructions become prompts.
package enum InstructionStyle: Sendable, Equatable {
  /// Stanford Alpaca's text, with and without input.
  case alpaca
  /// Your own text, with the fields `{instruction}` and, where records have inputs, `{input}`.
  case template(PromptTemplate)
  /// As the model was taught to chat; an input follows the instruction after a blank line.
  case chat(ChatTemplate)

  /// The style that a config asks for: nil or `alpaca`, a chat template's name, `model` (the kind of `chatTemplate`, the
  /// text in the model's tokenizer_config.json), or a text with fields.
  package init(_ text: String?, chatTemplate: String? = nil) throws {
    let detected = chatTemplate.flatMap { ChatTemplate(detectedIn: $0) }
    switch text {
    case nil, "alpaca": self = .alpaca
    case "model":
      guard let detected else {
        throw bad(
          chatTemplate == nil
            ? "\"model\" needs a chat_template in the model's tokenizer_config.json, and there is none"
            : "the model's chat_template is none of the known kinds; \(Self.known)")
      }
      self = .chat(detected)
    case let text?:
      if let kind = ChatTemplate.Kind(rawValue: text) {
        // The model's own text may name a system's words for this kind.
        self = .chat(detected.flatMap { $0.kind == kind ? $0 : nil } ?? ChatTemplate(kind))
        return
      }
      let template = try PromptTemplate(text, fields: ["instruction", "input"])
      guard template.uses("instruction") else {
        throw bad("\"\(text)\" has no {instruction}, and is no template's name; \(Self.known)")
      }
      self = .template(template)
    }
  }

  private static let known =
    "known are alpaca, model, \(ChatTemplate.Kind.allCases.map(\.rawValue).joined(separator: ", ")), or a text with "
    + "{instruction} and {input}"

  package func prompt(instruction: String, input: String) -> String {
    switch self {
    case .alpaca:
      let context = input.isEmpty ? "" : ", paired with an input that provides further context"
      return
        "Below is an instruction that describes a task\(context). Write a response that appropriately completes the "
        + "request.\n\n### Instruction:\n\(instruction)\n\n"
        + (input.isEmpty ? "" : "### Input:\n\(input)\n\n") + "### Response:"
    case .template(let template): return template.filled(["instruction": instruction, "input": input])
    case .chat(let chat): return chat.prompt(input.isEmpty ? instruction : "\(instruction)\n\n\(input)")
    }
  }

  /// The text of an answer, and what it ends with.
  func answer(_ output: String) -> (text: String, ending: PromptedText.Ending) {
    if case .chat(let chat) = self { (chat.answer(output), chat.ending) } else { (output, .endOfText) }
  }
}

private func bad(_ problem: String) -> TaskError { .badOption(key: "prompt_template", problem: problem) }

/// Text with `{fields}` to be filled in; `{{` and `}}` write braces.
package struct PromptTemplate: Sendable, Equatable {
  private enum Part: Sendable, Equatable {
    case text(String)
    case field(String)
  }

  private var parts: [Part] = []

  /// Parses `text`. Throws where a field is not one of `fields`, or a brace stands alone.
  init(_ text: String, fields: [String]) throws {
    var rest = text.unicodeScalars[...]
    var literal = String.UnicodeScalarView()
    while let scalar = rest.popFirst() {
      if scalar != "{", scalar != "}" {
        literal.append(scalar)
      } else if rest.first == scalar {
        literal.append(scalar)
        rest.removeFirst()
      } else if scalar == "}" {
        throw bad("} without { (a brace itself is written twice)")
      } else {
        guard let end = rest.firstIndex(of: "}") else { throw bad("{ without } (a brace itself is written twice)") }
        let name = String(rest[..<end])
        guard fields.contains(name) else { throw Self.unknown(name, fields) }
        parts += [.text(String(literal)), .field(name)]
        literal = String.UnicodeScalarView()
        rest = rest[rest.index(after: end)...]
      }
    }
    parts.append(.text(String(literal)))
  }

  private static func unknown(_ name: String, _ fields: [String]) -> TaskError {
    let meant = nearestName(to: name, among: fields).map { ", did you mean {\($0)}?" } ?? ""
    let known = fields.map { "{\($0)}" }.joined(separator: ", ")
    return bad("no field {\(name)}\(meant); the fields are \(known)")
  }

  func uses(_ name: String) -> Bool { parts.contains(.field(name)) }

  func filled(_ values: [String: String]) -> String {
    parts.map { part in
      switch part {
      case .text(let literal): literal
      case .field(let name): values[name] ?? ""
      }
    }.joined()
  }
}
