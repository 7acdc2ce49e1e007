import ArgumentParser
import Reports
import RunStore
import StrictJSON

/// `swift-peft runs compare A B …`.
struct RunsCompare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Where the configs of runs differ, and what came of it.",
    discussion: """
      EXAMPLE: swift-peft runs compare 1 2
      EXAMPLE: swift-peft runs compare --name 'quickstart-*' --json

      Runs that differ in their seed only make one row of results: mean ± sample standard deviation of those that are \
      completed.
      """)

  @Argument(help: ArgumentHelp("Numbers of runs (default: all that pass the filters).", valueName: "id"))
  var ids: [Int64] = []

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var selection: RunSelection

  @Flag(help: "The result as JSON on stdout.")
  var json = false

  func run() throws {
    let store = try database.open()
    let runs = try selection.runs(ids, in: store).map { try RecordedRun($0, in: store) }
    guard !runs.isEmpty else { throw NoRuns(database: database.database) }
    let table = ResultTable(runs), difference = ConfigDifference(runs)
    if json { return try Console.print(JSONWriter.text(table.json(difference), pretty: true)) }
    let titles = runs.map { "\($0.run.id) \($0.run.details.name)" }
    let rows = difference.rows.map { row in [row.path] + row.values.map { $0 ?? "-" } }
    try Console.print(
      (rows.isEmpty ? "the configs are the same\n" : RunText.leftColumns([["config"] + titles] + rows))
        + "\n" + table.text)
  }
}
