import ArgumentParser
import Foundation
import Reports
import RunStore
import StrictJSON

/// `swift-peft runs show ID`.
struct RunsShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "One run: config, results, merges, and a metric as a chart.",
    discussion: """
      EXAMPLE: swift-peft runs show 1
      EXAMPLE: swift-peft runs show 1 --metric accuracy --split validation

      The chart is as wide as the terminal; where stdout is none it is plain text of 80 columns.
      """)

  @Argument(help: "The run's number.")
  var id: Int64

  @OptionGroup var database: DatabaseOptions

  @Option(help: ArgumentHelp("The metric of the chart.", valueName: "name"))
  var metric = "loss"

  @Option(help: ArgumentHelp("The split of the chart: train, validation, validation_mismatched or test."))
  var split: MetricSplit = .train

  @Flag(help: "The result as JSON on stdout.")
  var json = false

  func run() throws {
    let store = try database.open()
    let run = try RecordedRun(id, in: store)
    if json {
      let checkpoints = try store.checkpoints(run: id)
      return try Console.print(JSONWriter.text(RunText.fullJSON(run, checkpoints), pretty: true))
    }
    let points = run.series(split, metric).map { (x: Double($0.step), y: $0.value) }
    let isTerminal = isatty(STDOUT_FILENO) == 1
    let chart = Chart(
      width: min(160, isTerminal ? Terminal.columns(STDOUT_FILENO) : 80), marks: isTerminal ? .braille : .ascii
    ).text(points, title: "\(split.rawValue) \(metric)", xLabel: "step")
    let known = RunText.metricNames(run)
    let noChart =
      known.isEmpty
      ? "" : "no \(split.rawValue) \(metric) was recorded; there is \(known.joined(separator: ", "))\n"
    try Console.print(
      RunText.summary(run) + section("results", RunText.results(run)) + section("merges", RunText.merges(run))
        + section("config", RunText.config(run)) + "\n" + (chart.isEmpty ? noChart : chart))
  }

  private func section(_ title: String, _ text: String) -> String { text.isEmpty ? "" : "\n\(title)\n\(text)" }
}

extension MetricSplit: ExpressibleByArgument {}
