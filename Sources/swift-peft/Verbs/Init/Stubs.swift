import Metrics
import Tasks

// Until conversations and tags land.
enum ConversationLayout {
  case messages, instructions, completions
  var title: String { "conversations" }
  var partner: String? { self == .instructions ? "output" : self == .completions ? "completion" : nil }
  init?(of row: Row, in table: Table) {
    if row.object?["instruction"] != nil { self = .instructions } else { return nil }
  }
}

extension Task {
  static let tokenClassification = Task(
    "token-classification", summary: "", files: [:], labels: .inTrainingFile, metrics: []
  ) { opening in throw TaskError.noFileGiven(task: "token-classification", split: .train) }
}
