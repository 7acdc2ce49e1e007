import Diagnostics

/// The errors of one file, of which the first twenty are kept and the rest counted.
struct FileProblems {
  static let shown = 20
  let file: String
  private(set) var problems: [TaskError] = []
  private(set) var count = 0

  init(file: String) { self.file = file }

  mutating func add(_ problem: TaskError) {
    if count < Self.shown { problems.append(problem) }
    count += 1
  }

  /// The kept errors, and how many more there are.
  var all: [TaskError] {
    count > Self.shown ? problems + [.andMore(file: file, count: count - Self.shown)] : problems
  }

  func throwIfAny() throws {
    try ErrorList.throwIfAny(all)
  }
}
