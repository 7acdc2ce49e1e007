import ArgumentParser
import Diagnostics
import Reports
import RunStore
import StrictJSON

/// `swift-peft runs compare A B …`.
struct RunsCompare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "compare",
    abstract: "Show where the configs of runs differ, and their results.",
    discussion: """
      EXAMPLE: swift-peft runs compare 1 2
      EXAMPLE: swift-peft runs compare --name 'quickstart-*' --json

      Runs that differ only in their seed share one row of results: mean ± sample standard deviation over the \
      completed ones.
      """)

  @OptionGroup var selection: SelectionOptions

  @Flag(help: "Print the result as JSON.")
  var json = false

  func run() throws {
    let runs = try selection.recorded()
    let table = ResultTable(runs), difference = ConfigDifference(runs)
    if json { return try Console.print(JSONWriter.text(table.json(difference), pretty: true)) }
    let titles = runs.map { "\($0.run.id) \($0.run.details.name)" }
    let rows = difference.rows.map { row in [row.path] + row.values.map { $0 ?? "-" } }
    try Console.print(
      (rows.isEmpty ? "the configs are the same\n" : TextTable([["config"] + titles] + rows).plain)
        + "\n" + table.text)
  }
}
