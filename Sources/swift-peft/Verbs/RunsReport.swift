import ArgumentParser
import Checkpoints
import Foundation
import Metrics
import Reports
import RunStore
import StrictJSON
import Training

/// `swift-peft runs report`.
struct RunsReport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report",
    abstract: "Write one HTML file with the curves, scores, sharing maps and configs of runs.",
    discussion: """
      EXAMPLE: swift-peft runs report --output runs/report.html
      EXAMPLE: swift-peft runs report 1 2 --title 'Two seeds' --output runs/two.html

      The file needs no network and no other files, and follows the browser's light or dark mode.
      """)

  @OptionGroup var selection: SelectionOptions

  @Option(name: .shortAndLong, help: ArgumentHelp("Write to this file.", valueName: "file"))
  var output: String

  @Option(help: ArgumentHelp("The page's title (default: the tasks and models of the runs).", valueName: "text"))
  var title: String?

  @Flag(help: "Print the result as JSON.")
  var json = false

  func run() throws {
    let runs = try selection.recorded()
    let page = Report(runs, title: title ?? Self.title(runs), version: ProductVersion.current).html()
    let directory = URL(fileURLWithPath: output).deletingLastPathComponent().path
    try OutputDirectory(directory).create()
    try AtomicFile.write(page, to: output)
    let bytes = page.utf8.count
    try Console.print(
      json
        ? JSONWriter.text(
          ["file": .string(output), "runs": .integer(runs.count), "bytes": .integer(bytes)], pretty: false)
        : "\(output): \(runs.count == 1 ? "1 run" : "\(runs.count) runs"), \(byteSize(bytes))")
  }

  private static func title(_ runs: [RecordedRun]) -> String {
    func names(_ kind: String, _ value: (RunDetails) -> String) -> String {
      var seen: Set<String> = []
      let all = runs.map { value($0.run.details) }.filter { seen.insert($0).inserted }
      return all.count <= 3 ? all.joined(separator: ", ") : "\(all.count) \(kind)"
    }
    let models = names("models") { URL(fileURLWithPath: $0.model).lastPathComponent }
    return "\(names("tasks", \.task)) on \(models)"
  }
}

/// `swift-peft runs export`.
struct RunsExport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Write all measured values as CSV or as JSON lines.",
    discussion: """
      EXAMPLE: swift-peft runs export --format jsonl --output runs/metrics.jsonl
      EXAMPLE: swift-peft runs export 1 --split validation > scores.csv
      """)

  @OptionGroup var selection: SelectionOptions

  @Option(help: ArgumentHelp("Output format.", valueName: "format"))
  var format: Format = .csv

  @Option(help: ArgumentHelp("Only this metric.", valueName: "name"))
  var metric: String?

  @Option(
    help: ArgumentHelp("Only this split.", valueName: "name"))
  var split: Split?

  @Option(
    name: .shortAndLong, help: ArgumentHelp("Write to this file (default: stdout).", valueName: "file"),
    completion: .file())
  var output: String?

  enum Format: String, ExpressibleByArgument, CaseIterable { case csv, jsonl }

  func run() throws {
    let store = try selection.database.open()
    let runs = try selection.runs(in: store).map { run in
      let all = try store.metrics(run: run.id)
      let metrics = all.filter { (metric ?? $0.name) == $0.name && (split ?? $0.split) == $0.split }
      return RecordedRun(run: run, metrics: metrics, merges: [])
    }
    let text = format == .csv ? MetricExport.csv(runs) : MetricExport.jsonl(runs)
    if let output { return try AtomicFile.write(text, to: output) }
    if !text.isEmpty { try Console.print(text) }
  }
}
