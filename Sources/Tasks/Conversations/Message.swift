import StrictJSON

/// One turn of a conversation, with everything that its record says of it.
public struct Message: Sendable, Equatable {
  /// Who speaks.
  public enum Role: String, Sendable, CaseIterable {
    case system, user, assistant
    /// What a function that the assistant called gave back.
    case tool
  }

  /// Who speaks.
  public let role: Role
  /// What a chat template sees: `role`, `content`, and whatever else the record has.
  let members: JSONObject
  /// Of an instruction with an input, the two apart.
  var parts: (instruction: String, input: String)?

  /// A turn of text.
  public init(_ role: Role, _ content: String) {
    var members = JSONObject()
    members["role"] = JSONNode(.string(role.rawValue))
    members["content"] = JSONNode(.string(content))
    self.init(role, members)
  }

  /// A turn with its record's members. Like transformers, it forgets those that are null, and finds a model's reasoning
  /// under any of its usual names.
  init(_ role: Role, _ members: JSONObject) {
    self.role = role
    var kept = JSONObject()
    for key in members.keys { if let node = members[key], !node.isNull { kept[key] = node } }
    let names = ["reasoning_content", "thinking", "reasoning"]
    if let reasoning = names.lazy.compactMap({ kept[$0] }).first {
      if kept["thinking"] == nil { kept["thinking"] = reasoning }
      kept["reasoning_content"] = reasoning
    }
    self.members = kept
  }

  /// The text of the turn: its content, or the texts of its parts together. Nil where it has none, or parts that are no
  /// texts.
  public var text: String? {
    guard let content = members["content"] else { return nil }
    if let text = content.string { return text }
    let texts = content.array?.map { $0.string ?? ($0["type"]?.string == "text" ? $0["text"]?.string : nil) }
    guard let texts, !texts.contains(nil) else { return nil }
    return texts.compactMap(\.self).joined()
  }

  /// Whether it calls functions.
  var callsTools: Bool { members["tool_calls"]?.array?.isEmpty == false }

  /// The same turn with another text.
  func with(text: String) -> Message {
    var members = members
    if members["content"]?.array != nil {
      members["content"] = JSONNode(.list([["type": "text", "text": .string(text)]]))
    } else {
      members["content"] = JSONNode(.string(text))
    }
    return Message(role, members)
  }

  /// What two turns say and who says it; the parts of an instruction are a matter of form.
  public static func == (one: Message, other: Message) -> Bool {
    one.role == other.role && one.members == other.members
  }
}

/// A conversation, and what of it is to be learnt.
public struct Conversation: Sendable, Equatable {
  /// The turns in their order.
  public var messages: [Message]
  /// The functions that the assistant may call, as a template sees them.
  public var tools: JSONValue?
  /// Values for variables of the template, such as `enable_thinking`.
  var variables: [(name: String, value: JSONValue)] = []
  /// The number of turns at the start that are not to be learnt, whoever speaks: a prompt.
  var promptLength = 0
  /// 1-based line in the file.
  public var line: Int

  /// A conversation of `messages`.
  public init(_ messages: [Message], tools: JSONValue? = nil, line: Int = 1) {
    (self.messages, self.tools, self.line) = (messages, tools, line)
  }

  /// The turns that may be learnt.
  var answers: [Int] { messages.indices.filter { $0 >= promptLength && messages[$0].role == .assistant } }

  /// The same without its oldest exchange: the turns after the system's up to the next one of a user. Nil where that would
  /// leave no user's turn, or nothing to learn.
  var withoutOldestExchange: Conversation? {
    let start = messages.firstIndex { $0.role != .system } ?? messages.endIndex
    guard let next = messages.indices.first(where: { $0 > start && messages[$0].role == .user }) else { return nil }
    var shorter = self
    shorter.messages.removeSubrange(start..<next)
    shorter.promptLength = promptLength > next ? promptLength - (next - start) : min(promptLength, start)
    return shorter.answers.isEmpty ? nil : shorter
  }

  /// Whether both say the same.
  public static func == (one: Conversation, other: Conversation) -> Bool {
    one.messages == other.messages && one.tools == other.tools && one.promptLength == other.promptLength
      && one.variables.map(\.name) == other.variables.map(\.name)
      && one.variables.map(\.value) == other.variables.map(\.value)
  }
}

/// On which turns of a conversation the loss is taken: `task.assistant_only_loss`.
public enum AssistantLoss: String, Sendable, CaseIterable {
  /// Every turn of the assistant's.
  case all
  /// Only the last one.
  case last
  /// Every token, whoever speaks (`false` in a config).
  case everyToken
}
