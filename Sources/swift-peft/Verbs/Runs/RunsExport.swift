import ArgumentParser
import Checkpoints
import Metrics
import Reports
import RunStore

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
