import ArgumentParser
import Checkpoints
import Cluster
import Configuration
import Diagnostics
import Kernels
import Metrics
import StrictJSON
import Tasks
import Training

/// `swift-peft eval RUN_DIR` and `swift-peft eval CONFIG [--adapter DIR]`.
struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "eval",
    abstract: "Score a trained run, an adapter, or the base model.",
    discussion: """
      EXAMPLE: swift-peft eval runs/quickstart-aslora --predictions predictions.tsv
      EXAMPLE: swift-peft eval configs/quickstart.json --split validation \\
        --adapter runs/quickstart-aslora

      A run is scored with its own adapter and config. A config without --adapter scores the base model, with its stored \
      head or else a freshly seeded one. Writes eval_results.json to the output_dir of the run or config.

      For task e2e, the model generates a text for each meaning representation. BLEU, NIST, ROUGE-L and CIDEr compare it \
      with all references; so does METEOR if METEOR_JAR names meteor-1.5.jar. See swift-peft help score.
      """)

  @Argument(help: ArgumentHelp("A run directory or a run config.", valueName: "run-dir-or-config"))
  var source: String

  @Option(help: ArgumentHelp("With a config: use this native or HF PEFT adapter directory.", valueName: "dir"))
  var adapter: String?

  @Option(
    help: ArgumentHelp(
      "The split to score (default: validation; for MNLI, both development sets).",
      valueName: "name"))
  var split: Split?

  @Option(help: ArgumentHelp("Write predictions and scores to this TSV file.", valueName: "file"))
  var predictions: String?

  @OptionGroup(title: "Generated texts") var text: TextOptions
  @OptionGroup var options: ConfigOptions

  func run() throws {
    let flags =
      (adapter == nil ? "" : " --adapter") + (predictions == nil ? "" : " --predictions") + text.flags
      + (split.map { " --split \($0.rawValue)" } ?? "")
    try withCluster("eval" + flags) { try run($0) }
  }

  private func run(_ cluster: Cluster) throws {
    let runDirectory = cluster.broadcast(source.isDirectory) ? try RunDirectory.shared(source, by: cluster) : nil
    if runDirectory != nil, adapter != nil {
      throw ValidationError("--adapter needs a config; \(source) is a run and has its own adapter")
    }
    let config = try cluster.together { try runDirectory.map(options.load) ?? options.load(source) }
    let generation = try text.generation(config.knownTask())
    let report = options.report.on(cluster)
    try ModelDownload(isQuiet: report.quiet).fetch(config.model, on: cluster)
    let adapter = runDirectory?.path ?? adapter
    let output = options.outputDir ?? runDirectory?.path ?? config.outputDir

    var progress = Progress(isQuiet: report.quiet)
    let library = BLASLibrary.prepare()
    (cluster.notices + (runDirectory?.notices ?? [])).forEach(progress.notice)
    let threads = options.threads.count(on: cluster)
    let scoring = try cluster.together {
      try runDirectory.map { try ScoringRun(config, run: $0, threads: threads, cluster: cluster) }
        ?? ScoringRun(config, adapterDirectory: adapter, threads: threads, cluster: cluster)
    }
    try scoring.requireEqualRanks().forEach(progress.notice)
    SlowBLAS.warn(library, progress)
    scoring.run.notices.forEach(progress.notice)

    let predicts = scoring.task.predictsLabels || generation != nil
    try cluster.together {
      if predictions != nil, !predicts {
        throw RunError.notAClassification(task: config.task.name, verb: "--predictions")
      }
    }
    let reports = try score(scoring, generation, &progress)
    progress.clear()
    // Only rank 0 writes.
    guard cluster.leads else { return }
    if reports.contains(where: { !$0.metrics.isEmpty }) {
      let directory = OutputDirectory(output)
      try directory.create()
      try directory.write(results: reports)
      try record(reports, config, adapter: adapter).map(progress.notice)
    }
    try Console.print(
      report.json
        ? JSONWriter.text(["output_dir": .string(output), "results": ScoreText.json(reports)], pretty: false)
        : ScoreText.table(reports))
  }

  /// Scores the splits and writes the predictions of the first.
  private func score(
    _ scoring: ScoringRun, _ generation: GenerationOptions?, _ progress: inout Progress
  ) throws -> [EvaluationReport] {
    var reports: [EvaluationReport] = []
    let cluster = scoring.run.cluster
    for split in try splits(scoring, progress) {
      let data = try load(split, scoring)
      data.leftOut.forEach(progress.notice)
      let labels = data.items.map(\.label)
      var report = scoring.score(split, data) { progress.count($0, of: $1, split.rawValue) }
      try cluster.together {
        if let bad = report.logits.firstIndex(where: { row in row.contains { !$0.isFinite } }) {
          throw RunError.scoresNotFinite(split: split.rawValue, example: bad)
        }
      }
      progress.clear()
      if report.metrics.isEmpty {
        progress.notice("\(split.rawValue) has no labels; there are predictions but no scores")
      }
      if let generation {
        report = report.adding(try generate(scoring, split, generation, &progress))
      } else if let predictions, reports.isEmpty, cluster.leads, scoring.task.task.headKind == .tokens {
        let table = WordPredictionTable(tags: scoring.task.labels?.names ?? [])
        try AtomicFile.write(table.text(data.items, scores: report.logits), to: predictions)
      } else if let predictions, reports.isEmpty, cluster.leads {
        let choices = report.logits.map(\.count).max() ?? 0, numbers = data.items.compactMap { $0.choices?.number }
        let table =
          scoring.task.labels.map {
            PredictionTable(labels: $0, separator: scoring.task.options.labelSeparator)
          } ?? PredictionTable(choices: choices)
        let text = table.text(scores: report.logits, labels: labels, numbers: numbers.isEmpty ? nil : numbers)
        try AtomicFile.write(text, to: predictions)
      }
      reports.append(report)
    }
    return reports
  }

  /// A split with labels, unless predictions are wanted.
  private func load(_ split: Split, _ scoring: ScoringRun) throws -> EncodedDataset {
    try scoring.load(split) { data in
      if predictions == nil, scoring.task.labels != nil, !data.isLabelled {
        throw RunError.noLabels(file: try scoring.task.files(split).joined(separator: ", "))
      }
    }
  }

  /// Generates texts for the meaning representations of `split`, writes them, and scores them.
  private func generate(
    _ scoring: ScoringRun, _ split: Split, _ options: GenerationOptions, _ progress: inout Progress
  ) throws -> [MetricValue] {
    let prompts = try scoring.run.cluster.together { try scoring.meanings(split) }
    let texts = scoring.texts(prompts, split, options) {
      progress.count($0, of: $1, "\(split.rawValue) texts")
    }
    progress.clear()
    guard scoring.run.cluster.leads else { return [] }
    if let predictions { try AtomicFile.write(texts.table(prompts.references.examples), to: predictions) }
    let scores = try TextScores(texts, prompts.references)
    scores.notices.forEach(progress.notice)
    return scores.metrics
  }

  /// The requested split, or all available development sets.
  private func splits(_ scoring: ScoringRun, _ progress: Progress) throws -> [Split] {
    if let split { return [split] }
    let found = try scoring.evaluationSplits()
    found.notices.forEach(progress.notice)
    if predictions != nil, found.present.count > 1 {
      progress.notice("--predictions writes only the split \(found.present[0].rawValue); choose another with --split")
    }
    return found.present
  }

  /// Adds the scores to the run's row if they belong to the run as it was configured; otherwise returns the reason.
  private func record(_ reports: [EvaluationReport], _ config: RunConfig, adapter: String?) throws -> String? {
    let place = options.outputDir == nil ? config.outputDir : adapter ?? config.outputDir
    guard reports.allSatisfy({ $0.split != .train }) else {
      return "scores not recorded in the database: its train split holds the values of training steps"
    }
    guard let adapter, source.isDirectory || RunDirectory.isSame(adapter, place) else {
      return "scores not recorded in the database: they belong to no run"
    }
    guard options.override.overrides.isEmpty else {
      return "scores not recorded in the database: --set changes the run's config"
    }
    guard let run = try? RunDirectory(adapter) else {
      return "scores not recorded in the database: \(adapter) is not a run directory"
    }
    return try run.record(reports, database: config.database, writtenAs: place)
  }
}

extension Split: ExpressibleByArgument {}

/// How `eval` generates texts for task e2e.
struct TextOptions: ParsableArguments {
  @Flag(help: "Task e2e: compute only the loss; generate no texts.")
  var lossOnly = false

  @Option(
    name: .customLong("num-beams"), parsing: .unconditional,
    help: ArgumentHelp("Task e2e: number of beams in the search (default: 10).", valueName: "n"))
  var beams: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Task e2e: beams are ranked by log-probability / length^x (default: 0.8).", valueName: "x"))
  var lengthPenalty: Double?

  @Option(
    name: .customLong("no-repeat-ngram-size"), parsing: .unconditional,
    help: ArgumentHelp("Task e2e: no n-gram of this length repeats (default: 4; 0 is off).", valueName: "n"))
  var noRepeatNGramSize: Int?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Task e2e: maximum tokens per text (default: 64).", valueName: "n"))
  var maxNewTokens: Int?

  func validate() throws {
    try check("--num-beams", beams, atLeast: 1)
    try check("--no-repeat-ngram-size", noRepeatNGramSize, atLeast: 0)
    try check("--max-new-tokens", maxNewTokens, atLeast: 1)
    if let lengthPenalty, !lengthPenalty.isFinite {
      throw ValidationError("--length-penalty must be a number, not \(lengthPenalty)")
    }
    if lossOnly, changesGeneration {
      throw ValidationError("--loss-only generates no texts; remove the generation flags")
    }
  }

  /// Those that are given, as one writes them.
  var flags: String {
    var flags = lossOnly ? " --loss-only" : ""
    if let beams { flags += " --num-beams \(beams)" }
    if let lengthPenalty { flags += " --length-penalty \(lengthPenalty)" }
    if let noRepeatNGramSize { flags += " --no-repeat-ngram-size \(noRepeatNGramSize)" }
    if let maxNewTokens { flags += " --max-new-tokens \(maxNewTokens)" }
    return flags
  }

  /// How texts are generated for `task`; nil if none are. Throws if flags are set that do not apply to it.
  func generation(_ task: Task) throws -> GenerationOptions? {
    guard task.isScoredByTexts else {
      if lossOnly || changesGeneration {
        throw ValidationError("--loss-only and the generation flags apply to task e2e only, not to \(task.name)")
      }
      return nil
    }
    if lossOnly { return nil }
    var options = GenerationOptions.e2e
    options.beams = beams ?? options.beams
    options.lengthPenalty = lengthPenalty ?? options.lengthPenalty
    options.noRepeatNGramSize = noRepeatNGramSize ?? options.noRepeatNGramSize
    options.maxNewTokens = maxNewTokens ?? options.maxNewTokens
    return options
  }

  private var changesGeneration: Bool {
    beams != nil || lengthPenalty != nil || noRepeatNGramSize != nil || maxNewTokens != nil
  }
}
