import Diagnostics
import Tasks

extension FuzzTarget {
  /// Data of language tasks: the first byte chooses the reader, the second how instructions become prompts.
  static let languageData = FuzzTarget(name: "language-data") { input, directory in
    guard input.count > 2 else { return }
    let reader = LanguageReader.allCases[Int(input[0]) % LanguageReader.allCases.count]
    let style = try styles[Int(input[1]) % styles.count].get(), bytes = Array(input.dropFirst(2))
    let name = "fuzzed_test.\(reader.ending)", path = "\(directory.path)/\(name)"
    try directory.fill([name: bytes])
    switch reader {
    case .text, .textLines:
      for document in try TextDocuments(path: path).documents where document.isEmpty {
        throw FuzzFinding(problem: "an empty document")
      }
    case .instructions, .instructionLines: try check(PromptedDataset(instructions: path, style: style))
    case .meanings:
      try check(PromptedDataset(e2e: [path], groups: false))
      try check(PromptedDataset(e2e: [path], groups: true))
    case .choices, .choiceLines:
      for group in try ChoiceGroup.all(in: path, shots: 1, shotsFile: path) {
        guard
          group.questions.questions.allSatisfy({ question in
            question.answer.map(question.choices.indices.contains) ?? true
          })
        else { throw FuzzFinding(problem: "an answer that is no choice") }
      }
    case .template:
      let text = String(decoding: bytes, as: UTF8.self)
      let own = try InstructionStyle(text, chatTemplate: text)
      _ = own.prompt(instruction: "{input}", input: "{instruction}")
      _ = try InstructionStyle("model", chatTemplate: text).prompt(instruction: text, input: "")
    }
  }

  private static let styles: [Result<InstructionStyle, any Error>] = [
    nil, "chatml", "llama-2", "llama-3", "{{{instruction}}} {input}", "{instruction}",
  ].map { text in Result { try InstructionStyle(text) } }

  private static func check(_ data: PromptedDataset) throws {
    guard !data.examples.isEmpty, data.examples.allSatisfy({ !$0.references.isEmpty && $0.line > 0 }) else {
      throw FuzzFinding(problem: "no example, or one without a reference")
    }
    _ = data.skipped.map(\.description)
  }
}

/// The files of language tasks by their readers.
private enum LanguageReader: CaseIterable {
  case text, textLines, instructions, instructionLines, meanings, choices, choiceLines, template

  var ending: String {
    switch self {
    case .text, .template: "txt"
    case .textLines, .instructionLines, .choiceLines: "jsonl"
    case .instructions: "json"
    case .meanings, .choices: "csv"
    }
  }
}
