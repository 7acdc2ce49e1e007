import ArgumentParser
import Cluster
import Configuration
import Kernels
import Metrics
import StrictJSON
import Tasks
import Training

/// `swift-peft predict RUN_DIR [FILE]`.
struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Label texts, tag words or answer multiple-choice questions with a trained run.",
    discussion: """
      EXAMPLE: echo 'a great film' | swift-peft predict runs/quickstart-aslora

      Reads FILE or stdin: TSV, CSV, JSONL or JSON in the layout of the task's files (recognised by its header or \
      columns), or one text per line; for pair tasks, two fields separated by a TAB. Writes index, prediction, label (if \
      known) and raw scores as TSV to stdout, or one JSON object per line with --json. For multiple-choice runs, reads \
      questions in the task's format, with or without answers, and writes the letter of the likeliest choice and all \
      log-likelihoods. For token-classification runs, reads sentences in the task's formats or one a line with spaces \
      between words, and writes a word a line with its tag, or with --json one object per sentence with its entities.
      """)

  @Argument(help: ArgumentHelp("A run directory.", valueName: "run-dir"))
  var source: String

  @Argument(help: "The file of texts (default: stdin).")
  var file: String?

  @Option(
    help: ArgumentHelp(
      "How FILE or stdin is written: csv, tsv, jsonl or json; the same as --set task.file_format=NAME.",
      valueName: "name"))
  var format: FileFormat?

  @OptionGroup var override: OverrideOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions

  func run() throws {
    try withCluster("predict") { try run($0) }
  }

  private func run(_ cluster: Cluster) throws {
    let directory = try RunDirectory.shared(source, by: cluster)
    let format = format.map { ["task.file_format=\($0.rawValue)"] } ?? []
    let config = try cluster.together { try directory.config(overrides: override.overrides + format) }
    let report = self.report.on(cluster)
    try ModelDownload(isQuiet: report.quiet).fetch(config.model, on: cluster)
    let progress = Progress(isQuiet: report.quiet)
    let library = BLASLibrary.prepare()
    (cluster.notices + directory.notices).forEach(progress.notice)
    let scoring = try cluster.together {
      try ScoringRun(config, run: directory, threads: threads.count(on: cluster), cluster: cluster)
    }
    try scoring.requireEqualRanks().forEach(progress.notice)
    SlowBLAS.warn(library, progress)
    scoring.run.notices.forEach(progress.notice)

    let texts = try read(scoring, cluster), data = try scoring.encode(texts)
    data.leftOut.forEach(progress.notice)
    if scoring.task.task.headKind == .tokens { return try tag(texts, data, scoring, cluster) }
    let table = PredictionTable(
      labels: texts.answers ?? .regression, separator: config.task.labelSeparator)
    if !report.json, cluster.leads { try Console.print(table.header) }
    try score(data, scoring) { start, items, scores in
      if cluster.leads { try write(table, start, scores, items.map(\.label)) }
    }
  }

  /// Scores whole batches, so that scores equal those of `eval` bit for bit; `use` gets each with the number of its first
  /// item.
  private func score(
    _ data: EncodedDataset, _ scoring: ScoringRun, use: (Int, [EncodedDataset.Item], [[Float]]) throws -> Void
  ) throws {
    let size = scoring.run.config.training.evalBatchSize * scoring.batchesAtOnce
    for start in stride(from: 0, to: data.items.count, by: size) {
      let items = Array(data.items[start..<min(start + size, data.items.count)]), scores = scoring.logits(items)
      if let bad = scores.firstIndex(where: { !$0.allSatisfy(\.isFinite) }) {
        throw RunError.scoresNotFinite(split: file ?? "stdin", example: start + bad)
      }
      try use(start, items, scores)
    }
  }

  /// Writes sentences with their words' tags.
  private func tag(_ texts: SplitData, _ data: EncodedDataset, _ scoring: ScoringRun, _ cluster: Cluster) throws {
    var tagger = SentenceTagger(
      texts.sentences, tags: texts.answers?.names ?? [], style: report.json ? .json : .columns)
    try score(data, scoring) { _, items, scores in
      guard cluster.leads else { return }
      let text = try zip(items, scores).map { try tagger.add($0, scores: $1) }.joined()
      try Console.write(Array(text.utf8))
    }
    if cluster.leads { try Console.write(Array(tagger.finish().utf8)) }
  }

  /// What is to be predicted. Only rank 0 has the launcher's stdin.
  private func read(_ scoring: ScoringRun, _ cluster: Cluster) throws -> SplitData {
    if let file { return try cluster.together { try scoring.read(PredictionInput(path: file)) } }
    let bytes = cluster.broadcast(try cluster.together { cluster.leads ? try Console.readAll() : [] })
    return try cluster.together { try scoring.read(PredictionInput(bytes: bytes, name: "stdin")) }
  }

  /// Writes a batch whose first example is number `start`.
  private func write(_ table: PredictionTable, _ start: Int, _ scores: [[Float]], _ labels: [Label?]) throws {
    let lines = zip(labels, scores).enumerated().map { offset, row in
      let (label, scores) = row
      return report.json
        ? json(table, start + offset, label, scores) : table.line(index: start + offset, scores: scores, label: label)
    }
    try Console.write(Array(lines.joined().utf8))
  }

  private func json(_ table: PredictionTable, _ index: Int, _ known: Label?, _ scores: [Float]) -> String {
    var prediction = JSONValue.string(table.prediction(scores))
    if table.labels == .regression, let score = scores.first { prediction = .float(score) }
    if case .labelSets = table.labels { prediction = .strings(table.holding(scores)) }
    var label = JSONValue.null
    switch (known, table.labels) {
    case (.classIndex(let index), .classes(let names)): label = .string(names[index])
    case (.classSet(let set), _): label = .strings(set.map(table.name))
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
