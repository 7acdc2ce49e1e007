import Checkpoints
import Diagnostics
import Foundation
import Jinja
import Tokenizers

/// How a task puts conversations into the text that a model reads: `task.chat_template`, or `task.prompt_template`.
package enum ConversationFormat: Sendable {
  /// A chat template.
  case template(ChatTemplate)
  /// A text of one's own with the fields `{instruction}` and, where records have inputs, `{input}`.
  case fields(PromptTemplate)

  /// The format that a config asks for, for data in `layout`.
  ///
  /// - `alpaca`, `chatml`, `llama-2`, `llama-3`, `completion`: ours;
  /// - `model`: the model's own chat template; another name: the one of that name among the model's;
  /// - a path to a file of Jinja, or to a GGUF file, whose template it is, or Jinja itself;
  /// - a text with `{instruction}`.
  ///
  /// Where the config says nothing: Alpaca's text for instructions, a prompt and its completion as they are, the model's
  /// template for conversations. Throws where there is none, or where it is no template.
  package init(_ options: TaskOptions, layout: ConversationLayout?, modelDirectory: String?) throws {
    let key = options.chatTemplate != nil ? "chat_template" : "prompt_template"
    let jinja = try JinjaOptions(day: options.chatTemplateDate)
    func bad(_ problem: String) -> TaskError { .badOption(key: key, problem: problem) }
    func models() throws -> ChatTemplateFiles? { try modelDirectory.map { try ChatTemplateFiles(modelDirectory: $0) } }
    switch options.chatTemplate ?? options.promptTemplate {
    case nil:
      switch layout {
      case nil, .instructions: self = .template(try ChatTemplate(.alpaca, options: jinja))
      case .completions: self = .template(try ChatTemplate(.completion, options: jinja))
      case .messages, .shareGPT, .turns:
        guard let usual = try models()?.usual else {
          try Self.requireTokenizer(modelDirectory)
          throw TaskError.badOption(
            key: "chat_template", problem: "conversations need one, and the model has none of its own; \(Self.known)")
        }
        self = .template(try ChatTemplate(usual.text, file: usual.file, options: jinja))
      }
    case "model":
      guard let usual = try models()?.usual else {
        try Self.requireTokenizer(modelDirectory)
        throw bad(
          "\"model\" needs a chat template among the model's files (chat_template.jinja, or chat_template in "
            + "tokenizer_config.json), and there is none")
      }
      self = .template(try ChatTemplate(usual.text, file: usual.file, options: jinja))
    case let text?:
      if let own = ChatTemplate.Own(rawValue: text) {
        self = .template(try ChatTemplate(own, options: jinja))
      } else if key == "chat_template", TaskOptions.isJinja(text) {
        self = .template(try ChatTemplate(text, file: "task.chat_template", options: jinja))
      } else if let named = try models()?[text] {
        self = .template(try ChatTemplate(named.text, file: named.file, options: jinja))
      } else if text.lowercased().hasSuffix(".gguf") {
        guard let source = try GGUFMetadata(path: text).text("tokenizer.chat_template") else {
          throw bad("\(text) has no tokenizer.chat_template")
        }
        self = .template(
          try ChatTemplate(source, file: "\(text): tokenizer.chat_template", options: jinja).kept(source))
      } else if text.hasSuffix(".jinja") || (!text.contains("{") && FileManager.default.fileExists(atPath: text)) {
        guard let source = String(validating: try readFile(text), as: UTF8.self) else {
          throw TaskError.invalidUTF8(file: text, line: 1)
        }
        let lines = source.replacing("\r\n", with: "\n")
        self = .template(try ChatTemplate(lines, file: text, options: jinja).kept(lines))
      } else {
        let template = try PromptTemplate(text, key: key, fields: ["instruction", "input"])
        guard template.uses("instruction") else {
          throw bad("\"\(text)\" has no {instruction}, and is no template's name; \(Self.known)")
        }
        self = .fields(template)
      }
    }
  }

  /// Throws where a model has no files of a tokenizer at all: they are missing, and its template perhaps with them.
  private static func requireTokenizer(_ directory: String?) throws {
    guard let directory, try GGUFFile.path(of: directory) == nil else { return }
    let names = ["tokenizer_config.json", "tokenizer.json", "tokenizer.model", "vocab.json"]
    if names.contains(where: { FileManager.default.fileExists(atPath: "\(directory)/\($0)") }) { return }
    throw TaskError.unreadable(file: "\(directory)/\(names[0])", reason: "No such file or directory")
  }

  private static let known = "known are \(TaskOptions.templates), or a text with {instruction} and {input}"

  /// What a config says to get a template again that the data's layout decided; nil for the usual one.
  var configValue: String? {
    guard case .template(let template) = self, template.own != .alpaca else { return nil }
    return template.own?.rawValue ?? "model"
  }

  /// The Jinja of a file of one's own.
  var keptSource: String? { if case .template(let template) = self { template.keptSource } else { nil } }

  /// Names it for people.
  var name: String {
    switch self {
    case .template(let template): template.own == .completion ? "as they are" : "put into the template \(template.name)"
    case .fields: "put into the text of prompt_template"
    }
  }
}

extension JinjaOptions {
  /// Options with the day that `strftime_now` sees, as `2024-07-26`. Throws where it is no day.
  fileprivate init(day: String?) throws {
    guard let day else {
      self.init()
      return
    }
    let style = Date.ISO8601FormatStyle().year().month().day()
    guard let date = try? Date(day, strategy: style), date.formatted(style) == day else {
      throw TaskError.badOption(key: "chat_template_date", problem: "must be a day such as 2024-07-26, not \"\(day)\"")
    }
    self.init(now: date)
  }
}
