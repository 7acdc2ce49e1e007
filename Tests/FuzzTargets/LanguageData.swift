import Diagnostics
import Tasks

extension FuzzTarget {
  /// Data of language tasks: the first byte chooses the reader, the second how instructions become prompts.
  static let languageData = FuzzTarget(name: "language-data") { input, directory in
    guard input.count > 2 else { return }
    let reader = LanguageReader.allCases[Int(input[0]) % LanguageReader.allCases.count]
    let format = try formats[Int(input[1]) % formats.count].get(), bytes = Array(input.dropFirst(2))
    let name = "fuzzed_test.\(reader.ending)", path = "\(directory.path)/\(name)"
    try directory.fill([name: bytes])
    switch reader {
    case .text, .textLines:
      for document in try TextDocuments(path: path).documents where document.isEmpty {
        throw FuzzFinding(problem: "an empty document")
      }
    case .conversations, .conversationLines: try check(ConversationFile(Table(path: path, otherwise: .json)), format)
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
      _ = try Self.format(String(decoding: bytes, as: UTF8.self))
    }
  }

  private static let formats: [Result<ConversationFormat, any Error>] = [
    nil, "chatml", "llama-2", "llama-3", "{{{instruction}}} {input}", "completion",
  ].map { text in Result { try format(text) } }

  private static func format(_ text: String?) throws -> ConversationFormat {
    var options = TaskOptions(name: "instruct")
    options.promptTemplate = text
    return try ConversationFormat(options, layout: .instructions, modelDirectory: nil)
  }

  /// What is to be learnt lies within the text of its conversation.
  private static func check(_ file: ConversationFile, _ format: ConversationFormat) throws {
    guard case .template(let template) = format else { return }
    for conversation in file.conversations {
      let text = try template.text(of: conversation, loss: .all, special: [], ending: "")
      guard text.targets.allSatisfy({ !$0.isEmpty && $0.upperBound <= text.text.utf8.count }) else {
        throw FuzzFinding(problem: "an answer outside of its text")
      }
    }
  }

  private static func check(_ data: PromptedDataset) throws {
    guard !data.examples.isEmpty, data.examples.allSatisfy({ !$0.references.isEmpty && $0.line > 0 }) else {
      throw FuzzFinding(problem: "no example, or one without a reference")
    }
    _ = data.skipped.map(\.description)
  }
}

/// The files of language tasks by their readers.
private enum LanguageReader: CaseIterable {
  case text, textLines, conversations, conversationLines, meanings, choices, choiceLines, template

  var ending: String {
    switch self {
    case .text, .template: "txt"
    case .textLines, .conversationLines, .choiceLines: "jsonl"
    case .conversations: "json"
    case .meanings, .choices: "csv"
    }
  }
}
