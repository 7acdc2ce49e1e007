/// How instructions become prompts.
public enum InstructionStyle: Sendable, Equatable {
  /// Stanford Alpaca's text, with and without input.
  case alpaca
  /// One's own text, with the fields `{instruction}` and, where records have inputs, `{input}`.
  case template(PromptTemplate)
  /// As the model was taught to chat; an input follows the instruction after a blank line.
  case chat(ChatTemplate)

  /// The fields that a template may have.
  public static let fields = ["instruction", "input"]

  /// The style that a config asks for: nil or `alpaca`, a chat template's name, `model` (the one that `chatTemplate`, the
  /// text in the model's tokenizer_config.json, means), or a text with fields.
  public init(_ text: String?, chatTemplate: String? = nil) throws {
    guard let text, text != "alpaca" else {
      self = .alpaca
      return
    }
    if let kind = ChatTemplate.Kind(rawValue: text) {
      // The model's own text may name a system's words for this kind.
      let own = chatTemplate.flatMap { ChatTemplate(detectedIn: $0) }
      self = .chat(own?.kind == kind ? own ?? ChatTemplate(kind) : ChatTemplate(kind))
    } else if text == "model" {
      guard let chatTemplate else {
        throw TaskError.badTemplate(
          problem: "\"model\" needs a chat_template in the model's tokenizer_config.json, and there is none")
      }
      guard let detected = ChatTemplate(detectedIn: chatTemplate) else {
        throw TaskError.badTemplate(problem: "the model's chat_template is none of the known kinds; \(Self.known)")
      }
      self = .chat(detected)
    } else {
      let template = try PromptTemplate(text, fields: Self.fields)
      guard template.uses("instruction") else {
        throw TaskError.badTemplate(
          problem: "\"\(text)\" has no {instruction}, and is no template's name; \(Self.known)")
      }
      self = .template(template)
    }
  }

  private static let known =
    "known are alpaca, model, \(ChatTemplate.Kind.allCases.map(\.rawValue).joined(separator: ", ")), or a text with "
    + "{instruction} and {input}"

  /// The prompt for an instruction.
  public func prompt(instruction: String, input: String) -> String {
    switch self {
    case .alpaca: Self.alpacaPrompt(instruction, input)
    case .template(let template): template.filled(["instruction": instruction, "input": input])
    case .chat(let chat): chat.prompt(input.isEmpty ? instruction : "\(instruction)\n\n\(input)")
    }
  }

  /// The text of an answer, and what it ends with.
  func answer(_ output: String) -> (text: String, ending: PromptedText.Ending) {
    if case .chat(let chat) = self { (chat.answer(output), chat.ending) } else { (output, .endOfText) }
  }

  private static func alpacaPrompt(_ instruction: String, _ input: String) -> String {
    let head = "Below is an instruction that describes a task"
    let request = "Write a response that appropriately completes the request."
    if input.isEmpty {
      return "\(head). \(request)\n\n### Instruction:\n\(instruction)\n\n### Response:"
    }
    return "\(head), paired with an input that provides further context. \(request)\n\n"
      + "### Instruction:\n\(instruction)\n\n### Input:\n\(input)\n\n### Response:"
  }
}

extension PromptedDataset {
  /// Reads a file of instructions: a JSON list, or as its ending tells, with `instruction`, `output` and, where there is
  /// one, `input`. Other keys are not looked at. Records with an empty instruction or output are left out.
  public init(instructions path: String, style: InstructionStyle) throws {
    try self.init(instructions: Table(path: path, otherwise: .json), style: style)
  }

  init(instructions table: Table, style: InstructionStyle) throws {
    file = table.file
    var examples: [PromptedText] = []
    var problems = FileProblems(file: file), skips = SkipList(file: file)
    for row in table.rows {
      var texts: [String] = []
      for (key, isRequired) in [("instruction", true), ("input", false), ("output", true)] {
        switch table.text(key, of: row, isRequired: isRequired) {
        case .success(let text): texts.append(text ?? "")
        case .failure(let problem): problems.add(problem)
        }
      }
      guard texts.count == 3 else { continue }
      let (instruction, input, output) = (texts[0], texts[1], texts[2])
      if instruction.trimmed.isEmpty {
        skips.add("an empty instruction", line: row.line)
      } else if output.trimmed.isEmpty {
        skips.add("an empty output", line: row.line)
      } else if case .template(let template) = style, !input.isEmpty, !template.uses("input") {
        problems.add(
          .badRecord(file: file, line: row.line, problem: "has an input, but the prompt template has no {input}"))
      } else {
        let answer = style.answer(output)
        examples.append(
          PromptedText(
            prompt: style.prompt(instruction: instruction, input: input), answer: answer.text, ending: answer.ending,
            references: [output], line: row.line))
      }
    }
    try problems.throwIfAny()
    try skips.throwIfNothingLeft(of: table.rows.count)
    (self.examples, skipped) = (examples, skips.all)
  }
}
