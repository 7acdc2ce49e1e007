import Diagnostics
import StrictJSON

/// How the records of a file hold conversations, told by their keys.
package enum ConversationLayout: Sendable, CaseIterable {
  /// `messages`: a list of turns with `role` and `content`.
  case messages
  /// ShareGPT: `conversations`, a list of turns with `from` and `value`.
  case shareGPT
  /// `prompt` and `completion` as lists of turns.
  case turns
  /// `prompt` and `completion` as texts.
  case completions
  /// Stanford Alpaca: `instruction`, `output` and, where there are some, `input`, `system` and `history`.
  case instructions

  /// What its records are called.
  package var title: String {
    switch self {
    case .messages: "conversations (messages)"
    case .shareGPT: "ShareGPT conversations"
    case .turns: "prompts with completions (turns)"
    case .completions: "prompts with completions (texts)"
    case .instructions: "instructions"
    }
  }

  /// The key by which it is told.
  var key: String {
    switch self {
    case .messages: "messages"
    case .shareGPT: "conversations"
    case .turns, .completions: "prompt"
    case .instructions: "instruction"
    }
  }

  /// What a record has beside that key, if that is not enough to tell that it holds a conversation.
  package var partner: String? {
    switch self {
    case .messages, .shareGPT: nil
    case .turns, .completions: "completion"
    case .instructions: "output"
    }
  }

  /// The layout of a record; nil where it has none of the keys.
  package init?(of row: Row, in table: Table) {
    let found = Self.allCases.first { layout in
      if let node = row.object?[layout.key] { return !node.isNull && (node.array != nil || layout != .turns) }
      guard row.object == nil, layout != .turns else { return false }
      return table.header?.place(of: layout.key) != nil
    }
    guard let found else { return nil }
    self = found
  }

  /// The layout of the first record in the first of `files`; nil where that cannot be read, which reading it all will say.
  init?(ofFirstRecordIn files: [String], style: TableStyle) {
    guard let file = files.first, let table = try? Table(path: file, style: style, otherwise: .json),
      let row = table.rows.first
    else { return nil }
    self.init(of: row, in: table)
  }
}
