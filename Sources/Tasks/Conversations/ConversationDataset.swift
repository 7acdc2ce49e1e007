import Algorithms
import Diagnostics
import Kernels

/// The conversations of a file.
package struct ConversationFile: Sendable {
  /// Names the file.
  package let file: String
  /// How its records hold them.
  package let layout: ConversationLayout
  /// The conversations, in file order.
  package let conversations: [Conversation]
  /// Notices about records that were left out.
  package let skipped: [String]

  /// Reads a table of conversations, all of them in the same layout.
  package init(_ table: Table) throws {
    let reader = try ConversationReader(table)
    (file, layout) = (table.file, reader.layout)
    (conversations, skipped) = try table.usable { (row) throws(TaskError) in try reader.conversation(row) }
  }
}

extension EncodedDataset {
  /// Tokenizes the first `limit` conversations. Those of more than `max_seq_length` tokens lose their oldest exchanges, as
  /// many as need be; where one alone is longer, the conversation is left out. `packs` puts several into a row.
  init(_ files: [ConversationFile], limit: Int, packs: Bool, _ conversations: ConversationEncoder) throws {
    try conversations.requireEnding()
    typealias Outcome = (item: Item?, isCut: Bool, isPartial: Bool)
    let chosen = files.flatMap { file in file.conversations.map { (file: file.file, conversation: $0) } }.prefix(limit)
    let length = conversations.encoder.maxLength
    let encoded = conversations.encoder.pool.map(each: Array(chosen)) { entry -> Result<Outcome, TaskError> in
      do {
        var rest = entry.conversation, isCut = false
        while true {
          let item = try conversations.item(rest)
          if item.ids.count <= length { return .success((item, isCut, conversations.misses(item, of: rest))) }
          guard let shorter = rest.withoutOldestExchange else { return .success((nil, false, false)) }
          (rest, isCut) = (shorter, true)
        }
      } catch {
        let problem = (error as? any UserFacingError)?.description ?? "\(error)"
        return .failure(.badRecord(file: entry.file, line: entry.conversation.line, problem: problem))
      }
    }
    let outcomes = try encoded.mapAll { (result) throws(TaskError) in try result.get() }
    func places(_ isMeant: (Outcome) -> Bool) -> [(file: String, line: Int)] {
      zip(chosen, outcomes).filter { isMeant($0.1) }.map { ($0.0.file, $0.0.conversation.line) }
    }
    let items = outcomes.compactMap(\.item).filter { $0.targetCount > 0 }
    if items.isEmpty, !chosen.isEmpty {
      let reasons = [
        outcomes.contains { $0.item == nil } ? "more than \(length) tokens (task.max_seq_length)" : nil,
        outcomes.contains { $0.item != nil } ? "nothing to learn" : nil,
      ]
      throw TaskError.nothingUsable(file: named(files.map(\.file)), reasons: reasons.compactMap(\.self))
    }
    let most = "more than \(length) tokens (task.max_seq_length)"
    var notes = files.map { "\($0.file): \($0.conversations.count) \($0.layout.title), \(conversations.title)" }
    notes += files.flatMap(\.skipped) + conversations.notices
    notes += notices(places(\.isCut)) { "cut the oldest turns of \(counted($0, "conversation")) of \(most)" }
    notes += notices(places { $0.item == nil }) { "left out \(counted($0, "conversation")) of \(most)" }
    notes += notices(places { $0.item?.targetCount == 0 }) {
      "left out \(counted($0, "conversation")) with nothing to learn"
    }
    notes += notices(places(\.isPartial)) {
      "the template leaves out or does not mark answers of \(counted($0, "conversation")), which are not learnt"
    }
    let rows = packs ? Self.packed(items, length: length) : items
    if packs { notes.append("packed \(counted(items.count, "conversation")) into \(counted(rows.count, "row"))") }
    self.init(items: rows, leftOut: notes)
  }

  /// Puts items into rows of at most `length` tokens: the longest first, each into the fullest row that has room (best fit
  /// decreasing, as TRL's). A row's items stay documents of their own, which see no others. Rows stand in the order of
  /// their first items.
  static func packed(_ items: [Item], length: Int) -> [Item] {
    let order = items.indices.sorted { (-items[$0].ids.count, $0) < (-items[$1].ids.count, $1) }
    var rows: [[Int]] = []
    // The rows by the room that is left in them.
    var byRoom = [[Int]](repeating: [], count: length + 1)
    for index in order {
      let count = items[index].ids.count
      let room = count <= length ? (count...length).first { !byRoom[$0].isEmpty } : nil
      let row = room.flatMap { byRoom[$0].popLast() } ?? rows.count
      if row == rows.count { rows.append([]) }
      rows[row].append(index)
      byRoom[max(0, (room ?? length) - count)].append(row)
    }
    return rows.map { $0.sorted() }.sorted { $0[0] < $1[0] }.map { row in
      Item(ids: row.flatMap { items[$0].ids }, documents: row.flatMap { items[$0].documents })
    }
  }
}
