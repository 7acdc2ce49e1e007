import Diagnostics
import StrictJSON

/// Reads conversations from the rows of a table, all of them in one layout.
struct ConversationReader {
  let table: Table
  let layout: ConversationLayout

  /// Finds the layout of a table by its first row. Throws where that has no keys of a layout.
  init(_ table: Table) throws(TaskError) {
    self.table = table
    guard let first = table.rows.first, let layout = ConversationLayout(of: first, in: table) else {
      throw .badRecord(
        file: table.file, line: table.rows.first?.line ?? 1,
        problem:
          "no conversation: a record has messages, conversations (ShareGPT), prompt and completion, or instruction "
          + "and output")
    }
    self.layout = layout
  }

  /// The conversation of a row, or why it is left out. Throws where the row is wrong.
  func conversation(_ row: Row) throws(TaskError) -> Usable<Conversation> {
    let conversation = try read(row, answered: true)
    if layout == .instructions {
      if conversation.messages.contains(where: { $0.parts?.instruction.trimmed.isEmpty ?? false }) {
        return .skip("an empty instruction")
      }
      if conversation.messages.last?.text?.trimmed.isEmpty ?? true { return .skip("an empty output") }
    }
    if conversation.answers.isEmpty { return .skip("no turn of the assistant") }
    let answers = conversation.answers.map { conversation.messages[$0] }
    if answers.contains(where: { $0.text == "" && !$0.callsTools }) { return .skip("an empty turn of the assistant") }
    return .use(conversation)
  }

  /// The turns of a row that the assistant is to go on with. Throws where the row is wrong, or ends with its turn.
  func question(_ row: Row) throws(TaskError) -> Conversation {
    let conversation = try read(row, answered: false)
    if conversation.messages.last?.role == .assistant {
      throw bad(row, "the conversation ends with the assistant's turn, and that is what is to be written")
    }
    return conversation
  }

  /// What a row holds: `answered`, with the output or completion that stands beside what is asked.
  private func read(_ row: Row, answered: Bool) throws(TaskError) -> Conversation {
    let found = ConversationLayout(of: row, in: table)
    guard found == layout else {
      let other = found.map { "has the layout of \($0.title)" } ?? "has no \(layout.key)"
      throw bad(row, "\(other), but the file begins with \(layout.title)")
    }
    if layout == .messages, let other = row.object?["conversations"], !other.isNull {
      throw bad(row, "has both messages and conversations: which of them counts?", other)
    }
    var conversation = Conversation(try messages(row), line: row.line)
    if layout != .instructions { try putSystem(from: row, into: &conversation) }
    if layout == .completions || layout == .turns { conversation.promptLength = conversation.messages.count }
    if answered { conversation.messages += try answer(row) }
    conversation.tools = try tools(row)
    conversation.variables = try variables(row)
    return conversation
  }

  // MARK: - Layouts

  private func messages(_ row: Row) throws(TaskError) -> [Message] {
    switch layout {
    case .instructions: try instruction(row)
    case .messages: try turns("messages", row, Self.openAI)
    case .shareGPT: try turns("conversations", row, Self.shareGPT)
    case .turns: try turns("prompt", row, Self.openAI)
    case .completions: [Message(.user, try table.text("prompt", of: row) ?? "")]
    }
  }

  /// What stands beside the question; the other layouts have all turns in one place.
  private func answer(_ row: Row) throws(TaskError) -> [Message] {
    switch layout {
    case .instructions: [Message(.assistant, try table.text("output", of: row) ?? "")]
    case .turns: try turns("completion", row, Self.openAI)
    case .completions: [Message(.assistant, try table.text("completion", of: row) ?? "")]
    case .messages, .shareGPT: []
    }
  }

  private func instruction(_ row: Row) throws(TaskError) -> [Message] {
    func optional(_ name: String) throws(TaskError) -> String { try table.text(name, of: row, isRequired: false) ?? "" }
    let instruction = try optional("instruction"), input = try optional("input"), system = try optional("system")
    var messages = system.isEmpty ? [] : [Message(.system, system)]
    if let history = value("history", row) {
      guard let pairs = history.array else { throw bad(row, "history must be a list, not \(history.kind)", history) }
      for (number, pair) in pairs.enumerated() {
        guard let texts = pair.array?.map(\.string), texts.count == 2, let question = texts[0], let answer = texts[1]
        else { throw bad(row, "history[\(number)] must be a list of two texts: a question and its answer", pair) }
        messages += [Message(.user, question), Message(.assistant, answer)]
      }
    }
    var question = Message(.user, input.isEmpty ? instruction : "\(instruction)\n\n\(input)")
    question.parts = (instruction, input)
    return messages + [question]
  }

  private typealias Role = (key: String, content: String, names: [(name: String, role: Message.Role)])

  private static let openAI: Role = ("role", "content", Message.Role.allCases.map { ($0.rawValue, $0) })
  private static let shareGPT: Role = (
    "from", "value",
    [
      ("system", .system), ("human", .user), ("user", .user), ("gpt", .assistant), ("chatgpt", .assistant),
      ("assistant", .assistant), ("model", .assistant), ("bot", .assistant), ("function_call", .assistant),
      ("tool", .tool), ("function", .tool), ("observation", .tool),
    ]
  )

  private func turns(_ key: String, _ row: Row, _ form: Role) throws(TaskError) -> [Message] {
    guard let node = row.object?[key], !node.isNull else { throw bad(row, "\(key) is missing") }
    guard let elements = node.array else { throw bad(row, "\(key) must be a list of turns, not \(node.kind)", node) }
    if elements.isEmpty { throw bad(row, "\(key) is empty", node) }
    var messages: [Message] = []
    for (number, element) in elements.enumerated() {
      messages.append(try turn(element, "\(key)[\(number)]", row, form))
    }
    return messages
  }

  private func turn(_ node: JSONNode, _ path: String, _ row: Row, _ form: Role) throws(TaskError) -> Message {
    guard let object = node.object else { throw bad(row, "\(path) must be an object, not \(node.kind)", node) }
    // ShareGPT files with the usual names of turns are common.
    let form = object[form.key] == nil && object[Self.openAI.key] != nil ? Self.openAI : form
    let role = try role(object[form.key] ?? JSONNode(.null, line: node.line), "\(path).\(form.key)", row, form)
    var members = object
    if form.key != "role" {
      (members["role"], members["content"]) = (JSONNode(.string(role.rawValue)), object[form.content])
      (members[form.key], members[form.content]) = (nil, nil)
    }
    let message = Message(role, members)
    guard let content = members["content"], !content.isNull else {
      if role == .assistant, message.callsTools { return message }
      throw bad(row, "\(path).\(form.content) is missing", node)
    }
    guard content.string != nil || content.array != nil else {
      throw bad(row, "\(path).\(form.content) must be a text or a list of parts, not \(content.kind)", content)
    }
    return message
  }

  private func role(_ node: JSONNode, _ path: String, _ row: Row, _ form: Role) throws(TaskError) -> Message.Role {
    if node.isNull { throw bad(row, "\(path) is missing", node) }
    if let name = node.string, let known = form.names.first(where: { ExactText($0.name) == ExactText(name) }) {
      return known.role
    }
    let found = node.string.map { "\"\($0.clipped)\"" } ?? node.kind
    throw bad(row, "\(path) must be one of \(listed(form.names.map(\.name))), not \(found)", node)
  }

  // MARK: - Beside the turns

  /// What stands under `key` in a record, or as JSON in a cell of a table; nil where nothing does.
  private func value(_ key: String, _ row: Row) -> JSONNode? {
    if let object = row.object { return object[key].flatMap { $0.isNull ? nil : $0 } }
    let place = table.header?.place(of: key)
    guard let text = place.flatMap(row.field), !text.isEmpty else { return nil }
    let parsed = try? JSONParser.parse(Array(text.utf8), file: table.file)
    return JSONNode((parsed?.isNull == true ? nil : parsed?.value) ?? .string(text), line: row.line)
  }

  /// Records may name the system's words beside the turns.
  private func putSystem(from row: Row, into conversation: inout Conversation) throws(TaskError) {
    var text = row.object?["system"]
    if row.object == nil { text = try table.text("system", of: row, isRequired: false).map { JSONNode(.string($0)) } }
    guard let node = text, !node.isNull, node.string != "" else { return }
    guard let system = node.string else { throw bad(row, "system must be a string, not \(node.kind)", node) }
    if conversation.messages.first?.role == .system {
      throw bad(row, "system: the conversation has a turn of the system already", node)
    }
    conversation.messages.insert(Message(.system, system), at: 0)
  }

  /// The functions of a record: a list, or its JSON as a text, as tables of columns hold it.
  private func tools(_ row: Row) throws(TaskError) -> JSONValue? {
    guard var node = value("tools", row), node.string != "" else { return nil }
    if let text = node.string {
      guard let parsed = try? JSONParser.parse(Array(text.utf8), file: table.file) else {
        throw bad(row, "tools must be a list, or one as JSON", node)
      }
      node = parsed
    }
    guard let list = node.array, list.allSatisfy({ $0.object != nil }) else {
      throw bad(row, "tools must be a list of objects, not \(node.kind)", node)
    }
    return list.isEmpty ? nil : node.value
  }

  private func variables(_ row: Row) throws(TaskError) -> [(name: String, value: JSONValue)] {
    guard let node = value("chat_template_kwargs", row) else { return [] }
    guard let object = node.object else {
      throw bad(row, "chat_template_kwargs must be an object, not \(node.kind)", node)
    }
    let own = ["messages", "tools", "documents", "add_generation_prompt"]
    if let key = object.keys.first(where: { own.place(of: $0) != nil }) {
      throw bad(row, "chat_template_kwargs.\(key): is what the conversation itself gives the template", node)
    }
    return object.keys.compactMap { key in object[key].map { (key, $0.value) } }
  }

  func bad(_ row: Row, _ problem: String, _ node: JSONNode? = nil) -> TaskError {
    // A node of JSONL counts its lines from the row's own.
    .badRecord(file: table.file, line: table.format == .jsonl ? row.line : node?.line ?? row.line, problem: problem)
  }
}
