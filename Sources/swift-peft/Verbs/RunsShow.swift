import ArgumentParser
import Diagnostics
import Foundation
import Metrics
import Reports
import RunStore
import StrictJSON

/// `swift-peft runs show ID`.
struct RunsShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show one run: config, results, merges, and a chart of a metric.",
    discussion: """
      EXAMPLE: swift-peft runs show 1
      EXAMPLE: swift-peft runs show 1 --metric accuracy --split validation

      The chart is as wide as the terminal; if stdout is not a terminal, it is plain text, 80 columns wide.
      """)

  @Argument(help: "The run's number.")
  var id: Int64

  @OptionGroup var database: DatabaseOptions

  @Option(help: ArgumentHelp("The metric of the chart.", valueName: "name"))
  var metric = "loss"

  @Option(help: ArgumentHelp("The split of the chart.", valueName: "name"))
  var split: Split = .train

  @Flag(help: "Print the result as JSON.")
  var json = false

  func run() throws {
    let store = try database.open()
    let run = try RecordedRun(id, in: store)
    if json {
      let checkpoints = try store.checkpoints(run: id)
      return try Console.print(JSONWriter.text(run.fullJSON(checkpoints), pretty: true))
    }
    let points = run.series(split, metric).map { (x: Double($0.step), y: $0.value) }
    let isTerminal = isatty(STDOUT_FILENO) == 1
    let chart = Chart(
      width: min(160, isTerminal ? columns(STDOUT_FILENO) : 80), marks: isTerminal ? .braille : .ascii
    ).text(points, title: "\(split.rawValue) \(metric)", xLabel: "step")
    let known = run.metricNames
    let noChart =
      known.isEmpty
      ? "" : "no \(split.rawValue) \(metric) was recorded; available: \(known.joined(separator: ", "))\n"
    try Console.print(
      run.summaryText + section("results", run.resultText) + section("merges", run.mergeText)
        + section("config", run.configText) + "\n" + (chart.isEmpty ? noChart : chart))
  }

  private func section(_ title: String, _ text: String) -> String { text.isEmpty ? "" : "\n\(title)\n\(text)" }
}

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
