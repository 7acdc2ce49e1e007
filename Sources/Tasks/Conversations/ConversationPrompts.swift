import StrictJSON

extension PredictionInput {
  /// Conversations that the assistant is to go on with: one as a JSON list of turns, or several in any layout that
  /// `instruct` learns from, without the answers that stand beside the questions. What comes by a pipe is told by its first
  /// character if `format` does not say it.
  ///
  /// Throws where a conversation has no turns or ends with the assistant's turn.
  public func conversations(format: FileFormat?) throws -> [Conversation] {
    let first = bytes.first { ![0x20, 0x09, 0x0A, 0x0D, 0xEF, 0xBB, 0xBF].contains($0) }
    let told: FileFormat = first == UInt8(ascii: "[") ? .json : .jsonl
    let table: Table
    switch format ?? (isPipe ? told : FileFormat(ending: name) ?? told) {
    case .json:
      if let list = try onlyConversation() { return [try ConversationReader(list).question(list.rows[0])] }
      table = try Table(bytes: bytes, file: name, format: .json)
    case let other where other == .text || other == .conll:
      throw TaskError.badOption(
        key: "file_format", problem: "conversations are JSON, JSONL, CSV or TSV, not \(other.rawValue)")
    case let other: table = try Table(bytes: bytes, file: name, format: other)
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
