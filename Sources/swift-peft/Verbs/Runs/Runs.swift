import ArgumentParser
import Configuration
import Diagnostics
import Reports
import RunStore
import StrictJSON

/// `swift-peft runs …`.
struct Runs: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Read the database of runs: list, show, compare, report, export, delete.",
    discussion: """
      EXAMPLE: swift-peft runs list --sort score

      Only delete writes to the database; none of these verbs creates one.
      """,
    subcommands: [
      RunsList.self, RunsShow.self, RunsCompare.self, RunsReport.self, RunsExport.self, RunsDelete.self,
    ], defaultSubcommand: RunsList.self)
}

/// `--database`, for every verb that reads runs.
struct DatabaseOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("The database of runs.", valueName: "file"),
    completion: .file(extensions: ["sqlite"]))
  var database: String = RunConfig.defaultDatabase

  /// The database, for reading only.
  func open() throws -> RunStore { try RunStore.openExisting(path: database) }
}

/// The filters on runs.
struct FilterOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Only runs with this status.", valueName: "status"))
  var status: RunStatus?

  @Option(help: ArgumentHelp("Only runs on this task.", valueName: "task"))
  var task: String?

  @Option(help: ArgumentHelp("Only runs with this strategy.", valueName: "strategy"))
  var strategy: String?

  @Option(help: ArgumentHelp("Only runs whose model matches this pattern (*, ?, [abc]).", valueName: "glob"))
  var model: String?

  @Option(help: ArgumentHelp("Only runs whose name matches this pattern (*, ?, [abc]).", valueName: "glob"))
  var name: String?

  /// Whether no filter is set.
  var isEmpty: Bool { status == nil && task == nil && strategy == nil && model == nil && name == nil }

  /// The matching runs, oldest first.
  func runs(in store: RunStore) throws -> [Run] {
    try store.runs(RunFilter(task: task, strategy: strategy, status: status)).filter { run in
      (model.map { Glob($0).matches(run.details.model) } ?? true)
        && (name.map { Glob($0).matches(run.details.name) } ?? true)
    }
  }
}

/// The runs to work on, by number or by filter.
struct SelectionOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("Run numbers (default: all runs that match the filters).", valueName: "id"))
  var ids: [Int64] = []

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var filter: FilterOptions

  func validate() throws {
    if !ids.isEmpty, !filter.isEmpty { throw ValidationError("give run numbers or filters, not both") }
  }

  /// The runs in the order of their numbers on the command line, or all that match, oldest first.
  func runs(in store: RunStore) throws -> [Run] {
    try ids.isEmpty ? filter.runs(in: store) : ids.map { try store.run($0) }
  }

  /// The runs with everything recorded about them. Throws if there are none.
  func recorded() throws -> [RecordedRun] {
    let store = try database.open()
    let runs = try runs(in: store).map { try RecordedRun($0, in: store) }
    guard !runs.isEmpty else { throw RunsError.noMatch(database: database.database) }
    return runs
  }
}

extension RunStatus: ExpressibleByArgument {}

/// What can go wrong in `swift-peft runs`, except in the database itself.
enum RunsError: UserFacingError, Equatable {
  /// No run matches the filters.
  case noMatch(database: String)
  /// The run to be deleted is still training.
  case stillTraining(id: Int64)

  var description: String {
    switch self {
    case .noMatch(let database): "\(database): no run matches"
    case .stillTraining(let id): "run \(id) is still training; --force deletes it anyway"
    }
  }

  var exitStatus: ExitStatus {
    switch self {
    case .noMatch: .missingInput
    case .stillTraining: .usage
    }
  }
}
