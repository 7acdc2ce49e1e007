import ArgumentParser
import Configuration
import StrictJSON
import Tasks
import Training

/// `swift-peft predict RUN_DIR [FILE]`.
struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Label texts with a trained run.",
    discussion: """
      EXAMPLE: echo 'a great film' | swift-peft predict runs/quickstart-aslora

      Reads FILE or stdin: TSV in the layout of the task's files (told by its header or columns), or else one text a \
      line, for tasks of pairs two fields and one TAB. Writes index, prediction, label (where known) and raw scores \
      as TSV to stdout, or with --json one object a line.
      """)

  @Argument(help: ArgumentHelp("A run's directory.", valueName: "run-dir"))
  var source: String

  @Argument(help: "The texts (default: stdin).")
  var file: String?

  @OptionGroup var override: OverrideOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions

  func run() throws {
    let directory = try RunDirectory(source)
    let config = try RunConfig.load(path: directory.configPath, overrides: override.overrides)
    let progress = Progress(isQuiet: report.quiet)
    SlowBLAS.prepare(progress, isQuiet: report.quiet)
    directory.notices.forEach(progress.notice)
    let scoring = try ScoringRun(config, run: directory, threads: threads.count)
    scoring.run.classifier.notices.forEach(progress.notice)

    let task = scoring.run.task
    let data =
      try file.map { try task.loadOrPlain(path: $0) } ?? task.loadOrPlain(bytes: Console.readAll(), name: "stdin")
    data.skipped.forEach { progress.notice("left out: \($0)") }

    let table = PredictionTable(labels: task.labels)
    if !report.json { try Console.print(table.header) }
    // Whole batches, so that every score has the bits that `eval` gives it.
    let size = config.training.evalBatchSize * 16
    for start in stride(from: 0, to: data.examples.count, by: size) {
      let examples = Array(data.examples[start..<min(start + size, data.examples.count)])
      let lines = zip(examples, try scoring.logits(examples)).enumerated().map { offset, row in
        let (example, scores) = row
        return report.json
          ? json(table, start + offset, example, scores)
          : table.line(index: start + offset, scores: scores, label: example.label)
      }
      try Console.write(Array(lines.joined().utf8))
    }
  }

  private func json(_ table: PredictionTable, _ index: Int, _ example: Example, _ scores: [Float]) -> String {
    var prediction = JSONValue.string(table.prediction(scores))
    if table.labels == .regression, let score = scores.first { prediction = .float(score) }
    var label = JSONValue.null
    switch (example.label, table.labels) {
    case (.classIndex(let index), .classes(let names)): label = .string(names[index])
    case (.score(let score), _): label = .float(score)
    default: break
    }
    return JSONWriter.text(
      [
        "index": .integer(index), "prediction": prediction, "label": label,
        "scores": .list(scores.map { .float($0) }),
      ], pretty: false) + "\n"
  }
}
