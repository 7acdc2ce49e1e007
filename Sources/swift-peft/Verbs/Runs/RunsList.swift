import ArgumentParser
import Diagnostics
import Reports
import RunStore
import StrictJSON

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

  /// A line per run.
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
