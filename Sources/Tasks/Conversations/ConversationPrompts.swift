import StrictJSON

extension PredictionInput {
  /// Conversations that the assistant is to go on with: one as a JSON list of turns, or several as JSONL or a JSON list of
  /// records with `messages`, `conversations` (ShareGPT) or `prompt`. What comes by a pipe is told by its first character if
  /// `format` does not say it.
  ///
  /// Throws where a conversation has no turns or ends with the assistant's turn.
  public func conversations(format: FileFormat?) throws -> [Conversation] {
    let first = bytes.first { ![0x20, 0x09, 0x0A, 0x0D, 0xEF, 0xBB, 0xBF].contains($0) }
    let told: FileFormat = first == UInt8(ascii: "[") ? .json : .jsonl
    let table: Table
    switch format ?? (isPipe ? told : FileFormat(ending: name) ?? told) {
    case .jsonl: table = try Table(bytes: bytes, file: name, format: .jsonl)
    case .json:
      if let list = try onlyConversation() { return [try ConversationReader(list).question(list.rows[0])] }
      table = try Table(bytes: bytes, file: name, format: .json)
    case let other:
      throw TaskError.badOption(key: "file_format", problem: "conversations are JSON or JSONL, not \(other.rawValue)")
    }
    let reader = try ConversationReader(table)
    return try table.rows.mapAll { (row) throws(TaskError) in try reader.question(row) }
  }

  /// A list of turns as a table of one record.
  private func onlyConversation() throws -> Table? {
    guard let root = try? JSONParser.parse(bytes, file: name), let turns = root.array,
      turns.contains(where: { $0["role"] != nil || $0["from"] != nil })
    else { return nil }
    var record = JSONObject()
    record[turns.contains { $0["role"] != nil } ? "messages" : "conversations"] = root
    return Table(file: name, record: JSONNode(.object(record), line: root.line))
  }
}

extension ConversationReader {
  /// The turns of a row that the assistant is to go on with.
  func question(_ row: Row) throws(TaskError) -> Conversation {
    let found = ConversationLayout(of: row, in: table)
    guard found == layout else {
      throw bad(row, "has no \(layout.key), but the file begins with \(layout.title)")
    }
    var conversation: Conversation
    switch layout {
    case .messages: conversation = Conversation(try turns("messages", row, Self.openAI), line: row.line)
    case .shareGPT:
      conversation = Conversation(try turns("conversations", row, Self.shareGPT), line: row.line)
      try putSystem(from: row, into: &conversation)
    case .turns: conversation = Conversation(try turns("prompt", row, Self.openAI), line: row.line)
    case .completions:
      conversation = Conversation([Message(.user, try table.text("prompt", of: row) ?? "")], line: row.line)
    case .instructions:
      throw bad(row, "instructions are no conversations; --file with --column instruction continues them")
    }
    conversation.tools = try tools(row)
    conversation.variables = try variables(row)
    if conversation.messages.last?.role == .assistant {
      throw bad(row, "the conversation ends with the assistant's turn, and that is what is to be written")
    }
    return conversation
  }
}

extension Conversation {
  /// The same with the system's words in front. Throws where `file`'s conversation has some already.
  public func instructed(_ system: String, file: String) throws -> Conversation {
    if messages.first?.role == .system {
      throw TaskError.badRecord(
        file: file, line: line,
        problem: "the conversation has a turn of the system already, so that --system is one too many")
    }
    var changed = self
    changed.messages.insert(Message(.system, system), at: 0)
    return changed
  }

  /// Its turns as JSON.
  public var json: JSONValue { .list(messages.map { .object($0.members) }) }
}
