import ArgumentParser
import Checkpoints
import Reports
import RunStore

/// `swift-peft runs export`.
struct RunsExport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export",
    abstract: "Everything measured, as CSV or as a JSON object a line.",
    discussion: """
      EXAMPLE: swift-peft runs export --format jsonl --output runs/metrics.jsonl
      EXAMPLE: swift-peft runs export 1 --split validation > scores.csv
      """)

  @Argument(help: ArgumentHelp("Numbers of runs (default: all that pass the filters).", valueName: "id"))
  var ids: [Int64] = []

  @OptionGroup var database: DatabaseOptions
  @OptionGroup var selection: RunSelection

  @Option(help: ArgumentHelp("csv or jsonl."))
  var format: Format = .csv

  @Option(help: ArgumentHelp("Only this metric.", valueName: "name"))
  var metric: String?

  @Option(help: ArgumentHelp("Only this split: train, validation, validation_mismatched or test."))
  var split: MetricSplit?

  @Option(
    name: .shortAndLong, help: ArgumentHelp("The file to write (default: stdout).", valueName: "file"),
    completion: .file())
  var output: String?

  enum Format: String, ExpressibleByArgument, CaseIterable { case csv, jsonl }

  func run() throws {
    let store = try database.open()
    let runs = try selection.runs(ids, in: store).map { run in
      let all = try store.metrics(run: run.id)
      let metrics = all.filter { (metric ?? $0.name) == $0.name && (split ?? $0.split) == $0.split }
      return RecordedRun(run: run, metrics: metrics, merges: [])
    }
    let text = format == .csv ? MetricExport.csv(runs) : MetricExport.jsonl(runs)
    if let output { return try AtomicFile.write(text, to: output) }
    if !text.isEmpty { try Console.print(text) }
  }
}
