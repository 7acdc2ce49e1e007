import ArgumentParser
import Configuration
import Diagnostics
import Reports
import RunStore
import StrictJSON

/// `swift-peft runs …`.
struct Runs: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Read the database of runs: list, compare, draw, export.",
    discussion: """
      EXAMPLE: swift-peft runs list --sort score

      Nothing but delete writes to the database, and none of these verbs makes one.
      """,
    subcommands: [
      RunsList.self, RunsShow.self, RunsCompare.self, RunsReport.self, RunsExport.self, RunsDelete.self,
    ], defaultSubcommand: RunsList.self)
}

/// `--database`, for every verb that reads runs.
struct DatabaseOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("The database of runs (default: \(RunConfig.defaultDatabase)).", valueName: "file"),
    completion: .file(extensions: ["sqlite"]))
  var database: String = RunConfig.defaultDatabase

  /// The database, for reading only.
  func open() throws -> RunStore { try RunStore.openExisting(path: database) }
}

/// Which runs are meant: by number, or by what they are.
struct RunSelection: ParsableArguments {
  @Option(help: ArgumentHelp("Only runs of this status: running, completed, failed, interrupted.", valueName: "status"))
  var status: RunStatus?

  @Option(help: ArgumentHelp("Only runs on this task.", valueName: "task"))
  var task: String?

  @Option(help: ArgumentHelp("Only runs with this strategy.", valueName: "strategy"))
  var strategy: String?

  @Option(help: ArgumentHelp("Only runs whose model matches, * and ? stand for any characters.", valueName: "glob"))
  var model: String?

  @Option(help: ArgumentHelp("Only runs whose name matches, * and ? stand for any characters.", valueName: "glob"))
  var name: String?

  /// Whether any of the filters is set.
  var isEmpty: Bool { status == nil && task == nil && strategy == nil && model == nil && name == nil }

  /// The runs that pass, oldest first.
  func runs(in store: RunStore) throws -> [Run] {
    try store.runs(RunFilter(task: task, strategy: strategy, status: status)).filter { run in
      (model.map { Glob($0).matches(run.details.model) } ?? true)
        && (name.map { Glob($0).matches(run.details.name) } ?? true)
    }
  }

  /// The runs with the numbers `ids`, in that order; without numbers all that pass the filters, oldest first.
  func runs(_ ids: [Int64], in store: RunStore) throws -> [Run] {
    guard !ids.isEmpty else { return try runs(in: store) }
    if !isEmpty { throw ValidationError("give the runs' numbers or filters, not both") }
    return try ids.map { try store.run($0) }
  }
}

extension RunStatus: ExpressibleByArgument {}

/// No run is left to be shown.
struct NoRuns: UserFacingError {
  let database: String
  var description: String { "\(database): has no such runs" }
  var exitStatus: ExitStatus { .missingInput }
}

/// A pattern of file names: `*` is any text, `?` any character.
struct Glob {
  private let pattern: [Character]

  init(_ pattern: String) { self.pattern = Array(pattern) }

  /// Whether all of `text` matches. A `*` is tried again one character further on, the last one first.
  func matches(_ text: String) -> Bool {
    let text = Array(text)
    var i = 0, j = 0, star: (pattern: Int, text: Int)?
    while j < text.count {
      if i < pattern.count, pattern[i] == "*" {
        star = (i, j)
        i += 1
      } else if i < pattern.count, pattern[i] == "?" || pattern[i] == text[j] {
        (i, j) = (i + 1, j + 1)
      } else if let last = star {
        star = (last.pattern, last.text + 1)
        (i, j) = (last.pattern + 1, last.text + 1)
      } else {
        return false
      }
    }
    return pattern[i...].allSatisfy { $0 == "*" }
  }
}
