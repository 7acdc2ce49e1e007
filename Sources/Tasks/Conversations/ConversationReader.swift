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
    let found = ConversationLayout(of: row, in: table)
    guard found == layout else {
      let other = found.map { "has the layout of \($0.title)" } ?? "has no \(layout.key)"
      throw bad(row, "\(other), but the file begins with \(layout.title)")
    }
    var conversation: Conversation
    switch layout {
    case .instructions:
      switch try instruction(row) {
      case .use(let instruction): conversation = instruction
      case .skip(let reason): return .skip(reason)
      }
    case .messages: conversation = Conversation(try turns("messages", row, Self.openAI), line: row.line)
    case .shareGPT: conversation = Conversation(try turns("conversations", row, Self.shareGPT), line: row.line)
    case .completions, .turns: conversation = try completion(row)
    }
    if layout != .instructions { try putSystem(from: row, into: &conversation) }
    if layout == .messages, let other = row.object?["conversations"], !other.isNull {
      throw bad(row, "has both messages and conversations: which of them counts?", other)
    }
    conversation.tools = try tools(row)
    conversation.variables = try variables(row)
    if conversation.answers.isEmpty { return .skip("no turn of the assistant") }
    let answers = conversation.answers.map { conversation.messages[$0] }
    if answers.contains(where: { $0.text == "" && !$0.callsTools }) { return .skip("an empty turn of the assistant") }
    return .use(conversation)
  }

  // MARK: - Layouts

  private func instruction(_ row: Row) throws(TaskError) -> Usable<Conversation> {
    func optional(_ name: String) throws(TaskError) -> String { try table.text(name, of: row, isRequired: false) ?? "" }
    let instruction = try optional("instruction"), input = try optional("input")
    let output = try table.text("output", of: row) ?? "", system = try optional("system")
    if instruction.trimmed.isEmpty { return .skip("an empty instruction") }
    if output.trimmed.isEmpty { return .skip("an empty output") }
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
    return .use(Conversation(messages + [question, Message(.assistant, output)], line: row.line))
  }

  private func completion(_ row: Row) throws(TaskError) -> Conversation {
    if layout == .completions {
      let prompt = try table.text("prompt", of: row) ?? "", completion = try table.text("completion", of: row) ?? ""
      var conversation = Conversation([Message(.user, prompt), Message(.assistant, completion)], line: row.line)
      conversation.promptLength = 1
      return conversation
    }
    let prompt = try turns("prompt", row, Self.openAI), completion = try turns("completion", row, Self.openAI)
    var conversation = Conversation(prompt + completion, line: row.line)
    conversation.promptLength = prompt.count
    return conversation
  }

  typealias Role = (key: String, content: String, names: [(name: String, role: Message.Role)])

  static let openAI: Role = ("role", "content", Message.Role.allCases.map { ($0.rawValue, $0) })
  static let shareGPT: Role = (
    "from", "value",
    [
      ("system", .system), ("human", .user), ("user", .user), ("gpt", .assistant), ("chatgpt", .assistant),
      ("assistant", .assistant), ("model", .assistant), ("bot", .assistant), ("function_call", .assistant),
      ("tool", .tool), ("function", .tool), ("observation", .tool),
    ]
  )

  func turns(_ key: String, _ row: Row, _ form: Role) throws(TaskError) -> [Message] {
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
    if let name = node.string, let known = form.names.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) {
      return known.role
    }
    let found = node.string.map { "\"\($0.clipped)\"" } ?? node.kind
    throw bad(row, "\(path) must be one of \(listed(form.names.map(\.name))), not \(found)", node)
  }

  // MARK: - Beside the turns

  /// What stands under `key` in a record, or as JSON in a cell of a table; nil where nothing does.
  private func value(_ key: String, _ row: Row) -> JSONNode? {
    if let object = row.object { return object[key].flatMap { $0.isNull ? nil : $0 } }
    let place = table.header?.firstIndex { $0.utf8.elementsEqual(key.utf8) }
    guard let text = place.flatMap(row.field), !text.isEmpty else { return nil }
    let parsed = try? JSONParser.parse(Array(text.utf8), file: table.file)
    return JSONNode((parsed?.isNull == true ? nil : parsed?.value) ?? .string(text), line: row.line)
  }

  /// Records may name the system's words beside the turns.
  func putSystem(from row: Row, into conversation: inout Conversation) throws(TaskError) {
    var text = row.object?["system"]
    if row.object == nil { text = try table.text("system", of: row, isRequired: false).map { JSONNode(.string($0)) } }
    guard let node = text, !node.isNull, node.string != "" else { return }
    guard let system = node.string else { throw bad(row, "system must be a string, not \(node.kind)", node) }
    if conversation.messages.first?.role == .system {
      throw bad(row, "system: the conversation has a turn of the system already", node)
    }
    conversation.messages.insert(Message(.system, system), at: 0)
    if conversation.promptLength > 0 { conversation.promptLength += 1 }
  }

  /// The functions of a record: a list, or its JSON as a text, as tables of columns hold it.
  func tools(_ row: Row) throws(TaskError) -> JSONValue? {
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

  func variables(_ row: Row) throws(TaskError) -> [(name: String, value: JSONValue)] {
    guard let node = value("chat_template_kwargs", row) else { return [] }
    guard let object = node.object else {
      throw bad(row, "chat_template_kwargs must be an object, not \(node.kind)", node)
    }
    let own = ["messages", "tools", "documents", "add_generation_prompt"]
    if let key = object.keys.first(where: { key in own.contains { $0.utf8.elementsEqual(key.utf8) } }) {
      throw bad(row, "chat_template_kwargs.\(key): is what the conversation itself gives the template", node)
    }
    return object.keys.compactMap { key in object[key].map { (key, $0.value) } }
  }

  func bad(_ row: Row, _ problem: String, _ node: JSONNode? = nil) -> TaskError {
    // A node of JSONL counts its lines from the row's own.
    .badRecord(file: table.file, line: table.format == .jsonl ? row.line : node?.line ?? row.line, problem: problem)
  }
}
