import ArgumentParser
import Configuration
import Diagnostics
import Reports
import RunStore
import StrictJSON

/// `swift-peft runs …`.
struct Runs: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Read the database of runs: list, show, compare, report, export; import and delete runs.",
    discussion: """
      EXAMPLE: swift-peft runs list --sort score

      Only import and delete write to the database; only import creates one.
      """,
    subcommands: [
      RunsList.self, RunsShow.self, RunsCompare.self, RunsReport.self, RunsExport.self, RunsImport.self,
      RunsDelete.self,
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
  /// The database is to be imported into itself.
  case importOfItself(database: String)
  /// The directory to import from has none.
  case noDatabases(directory: String)

  var description: String {
    switch self {
    case .noMatch(let database): "\(database): no run matches"
    case .stillTraining(let id): "run \(id) is still training; --force deletes it anyway"
    case .importOfItself(let database): "\(database): cannot be imported into itself; --database names the target"
    case .noDatabases(let directory): "\(directory): holds no database of runs (*.sqlite)"
    }
  }

  var exitStatus: ExitStatus {
    switch self {
    case .noMatch, .noDatabases: .missingInput
    case .stillTraining, .importOfItself: .usage
    }
  }
}

/// `swift-peft runs list`.
struct RunsList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List runs, newest first.",
    discussion: """
      EXAMPLE: swift-peft runs list --strategy aslora --status completed
      EXAMPLE: swift-peft runs list --name 'quickstart-*' --sort score --limit 5

      The score is the task's main metric on the validation split, for the adapter that the run ended with.
      """)

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var filter: FilterOptions

  @Option(
    help: ArgumentHelp(
      "Sort order: the newest, the best score or the fewest parameters come first.",
      valueName: "order"))
  var sort: Order = .started

  @Flag(help: "Reverse the order.")
  var reverse = false

  @Option(help: ArgumentHelp("List only the first n runs.", valueName: "n"))
  var limit: Int?

  @Flag(help: "Print the result as JSON.")
  var json = false

  enum Order: String, ExpressibleByArgument, CaseIterable { case started, score, parameters, name, id }

  func validate() throws { try check("--limit", limit, atLeast: 1) }

  func run() throws {
    let store = try database.open()
    var runs = try filter.runs(in: store).map { try RecordedRun($0, in: store) }
    runs = sorted(runs)
    if reverse { runs.reverse() }
    if let limit { runs = Array(runs.prefix(limit)) }
    if json { return try Console.print(JSONWriter.text(.list(runs.map(\.json)), pretty: true)) }
    guard !runs.isEmpty else { return Console.note(RunsError.noMatch(database: database.database).description) }
    try Console.print(Self.table(runs))
  }

  private func sorted(_ runs: [RecordedRun]) -> [RecordedRun] {
    let newest = runs.sorted { ($0.run.startedAt, $0.run.id) > ($1.run.startedAt, $1.run.id) }
    switch sort {
    case .started: return newest
    case .id: return runs.sorted { $0.run.id < $1.run.id }
    case .name: return newest.sorted { $0.run.details.name < $1.run.details.name }
    case .parameters:
      return newest.sorted { $0.run.details.adapterParameters < $1.run.details.adapterParameters }
    case .score: return newest.sorted { Self.goodness($0) > Self.goodness($1) }
    }
  }

  /// Higher is better; runs without a score come last.
  private static func goodness(_ run: RecordedRun) -> Double {
    guard let score = run.mainScore, score.value.isFinite else { return -.infinity }
    return MetricKind.greaterIsBetter(score.name) ? score.value : -score.value
  }

  static func table(_ runs: [RecordedRun]) -> String {
    TextTable(
      [["id", "name", "status", "started", "task", "strategy", "r", "seed", "adapter", "score"]]
        + runs.map { run in
          let details = run.run.details
          return [
            String(run.run.id), details.name, run.run.status.rawValue, minute(run.run.startedAt), details.task,
            details.strategy, String(details.r), String(details.seed), grouped(details.adapterParameters),
            run.mainScore.map { "\(fixed($0.value, 4)) \($0.name)" } ?? "-",
          ]
        }, right: [0, 6, 7, 8]
    ).plain
  }
}

/// `swift-peft runs delete ID …`.
struct RunsDelete: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "delete",
    abstract: "Delete runs from the database; their files stay.",
    discussion: """
      EXAMPLE: swift-peft runs delete 2 --yes

      Without --yes, only shows what would be deleted. Refuses runs that are still training.
      """)

  @Argument(help: ArgumentHelp("Run numbers.", valueName: "id"))
  var ids: [Int64]

  @OptionGroup var database: DatabaseOptions

  @Flag(help: "Delete the runs.")
  var yes = false

  @Flag(help: "Also delete runs whose status is running.")
  var force = false

  func run() throws {
    var seen: Set<Int64> = []
    let ids = ids.filter { seen.insert($0).inserted }
    let known = try database.open()
    let runs = try ids.map { try RecordedRun($0, in: known) }
    if !force, let running = runs.first(where: { $0.run.status == .running }) {
      throw RunsError.stillTraining(id: running.run.id)
    }
    guard yes else {
      try Console.print(RunsList.table(runs))
      throw ValidationError("nothing was deleted; add --yes to delete these runs from the database")
    }
    try RunStore(path: database.database).delete(runs: ids)
    Console.note("deleted \(ids.count == 1 ? "1 run" : "\(ids.count) runs") from \(database.database)")
  }
}
