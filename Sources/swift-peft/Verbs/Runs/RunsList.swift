import ArgumentParser
import Reports
import RunStore
import StrictJSON

/// `swift-peft runs list`.
struct RunsList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "The runs of the database, newest first.",
    discussion: """
      EXAMPLE: swift-peft runs list --strategy aslora --status completed
      EXAMPLE: swift-peft runs list --name 'quickstart-*' --sort score --limit 5

      The score is the main metric of the task on the validation split, of the state that the run ended with.
      """)

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var selection: RunSelection

  @Option(help: ArgumentHelp("started (newest first), score (best first), parameters (fewest first), name or id."))
  var sort: Order = .started

  @Flag(help: "Turn the order round.")
  var reverse = false

  @Option(help: ArgumentHelp("Only the first so many.", valueName: "n"))
  var limit: Int?

  @Flag(help: "The result as JSON on stdout.")
  var json = false

  enum Order: String, ExpressibleByArgument, CaseIterable { case started, score, parameters, name, id }

  func validate() throws {
    if let limit, limit < 1 { throw ValidationError("--limit must be at least 1, not \(limit)") }
  }

  func run() throws {
    let store = try database.open()
    var runs = try selection.runs(in: store).map { try RecordedRun($0, in: store) }
    runs = sorted(runs)
    if reverse { runs.reverse() }
    if let limit { runs = Array(runs.prefix(limit)) }
    if json { return try Console.print(JSONWriter.text(.list(runs.map(RunText.json)), pretty: true)) }
    guard !runs.isEmpty else { return Console.note("\(database.database): no such runs") }
    try Console.print(Self.table(runs))
  }

  private func sorted(_ runs: [RecordedRun]) -> [RecordedRun] {
    let newest = runs.sorted { ($0.run.startedAt, $0.run.id) > ($1.run.startedAt, $1.run.id) }
    switch sort {
    case .started: return newest
    case .id: return runs.sorted { $0.run.id < $1.run.id }
    case .name: return newest.sorted { $0.run.details.name < $1.run.details.name }
    case .parameters:
      return newest.sorted { $0.run.details.parameters.adapter < $1.run.details.parameters.adapter }
    case .score: return newest.sorted { Self.goodness($0) > Self.goodness($1) }
    }
  }

  /// Runs without a score come last.
  private static func goodness(_ run: RecordedRun) -> Double {
    guard let score = run.mainScore, score.value.isFinite else { return -.infinity }
    return MetricKind.greaterIsBetter(score.name) ? score.value : -score.value
  }

  static func table(_ runs: [RecordedRun]) -> String {
    RunText.leftColumns(
      [["id", "name", "status", "started", "task", "strategy", "r", "seed", "adapter", "score"]]
        + runs.map { run in
          let details = run.run.details
          return [
            String(run.run.id), details.name, run.run.status.rawValue, RunText.minute(run.run.startedAt), details.task,
            details.strategy, String(details.r), String(details.seed), grouped(details.parameters.adapter),
            run.mainScore.map { "\(fixed($0.value, 4)) \($0.name)" } ?? "-",
          ]
        }, right: [0, 6, 7, 8])
  }
}
