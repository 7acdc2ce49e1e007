import Tasks

// Until conversations land.
enum ConversationLayout {
  case messages, instructions, completions
  var title: String { "conversations" }
  var partner: String? { self == .instructions ? "output" : self == .completions ? "completion" : nil }
  init?(of row: Row, in table: Table) {
    if row.object?["instruction"] != nil { self = .instructions } else { return nil }
  }
}
