import Algorithms
import ArgumentParser
import Cluster
import Configuration
import Diagnostics
import Kernels
import StrictJSON
import Tasks
import Tokenizers
import Training

/// `swift-peft generate RUN_DIR_OR_MODEL_DIR`.
struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Continue texts with a language model.",
    discussion: """
      EXAMPLE: swift-peft generate models/SmolLM2-135M --prompt 'Once upon a time'
      EXAMPLE: swift-peft generate models/SmolLM2-135M --top-p 0.9 < beginnings.txt

      Continues each --prompt, or the texts of --file, or else each line of stdin. A single text is printed as it is generated; several are printed \
      in order, each ending with a line feed, or as one JSON object per line with --json. For runs on task instruct, \
      prompts are put into the run's template. Defaults are those of the model's generation_config.json, as in transformers; \
      without it, always takes the likeliest token.
      """)

  @Argument(help: ArgumentHelp("A run directory or a model.", valueName: "run-or-model-dir"))
  var source: String

  @Option(help: ArgumentHelp("With a model: use this native or HF PEFT adapter directory.", valueName: "dir"))
  var adapter: String?

  @Option(name: .customLong("prompt"), help: ArgumentHelp("Continue this text; repeatable.", valueName: "text"))
  var prompts: [String] = []

  @Option(
    help: ArgumentHelp(
      "Continue the texts of this file: one a line, or a column of CSV, TSV, JSONL or JSON; - is stdin.",
      valueName: "file"))
  var file: String?

  @Option(
    help: ArgumentHelp(
      "How the file or stdin is written: text, csv, tsv, jsonl or json (default: by its ending).", valueName: "name"))
  var format: FileFormat?

  @Option(help: ArgumentHelp("The column or key of the texts (default: the run's, or text).", valueName: "name"))
  var column: String?

  @Option(
    help: ArgumentHelp(
      "Prompt template: alpaca, model (the model's chat template), chatml, llama-2, llama-3, or a text with "
        + "{instruction} (default: the run's template, or none).", valueName: "name"))
  var template: String?

  @OptionGroup var flags: GenerationFlags
  @OptionGroup var beams: BeamFlags
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions

  func validate() throws {
    if !prompts.isEmpty, file != nil || format != nil || column != nil {
      throw ValidationError("--prompt cannot be combined with --file, --format and --column")
    }
    if let beams = beams.beams, beams > 1, flags.samples {
      throw ValidationError(
        "--num-beams cannot be combined with --do-sample, --temperature, --top-k, --top-p, --min-p and --typical-p: beam "
          + "search does not sample")
    }
  }

  func run() throws {
    let flags = (adapter == nil ? "" : " --adapter") + (report.json ? " --json" : "")
    try withCluster("generate" + flags) { try run($0) }
  }

  private func run(_ cluster: Cluster) throws {
    _ = BLASLibrary.prepare()
    let progress = Progress(isQuiet: report.on(cluster).quiet)
    cluster.notices.forEach(progress.notice)
    let run = try load(cluster, progress)
    try run.requireEqualRanks().forEach(progress.notice)
    run.notices.forEach(progress.notice)
    let options = try options(run, progress)
    let texts = try texts(run, cluster)
    let ids = try run.prompts(options) {
      try texts.enumerated().map { number, text in
        do {
          return try run.ids(of: text, options)
        } catch let error as any UserFacingError where texts.count > 1 {
          throw PromptFailure(number: number + 1, error: error)
        }
      }
    }
    if ids.count == 1, options.beams == 1, !report.json { return cluster.leads ? try stream(ids[0], run, options) : () }
    // In portions, so that the first results appear early.
    for portion in ids.chunks(ofCount: run.portion(8)) {
      let results = run.continuations(of: portion, options)
      guard cluster.leads else { continue }
      for (number, result) in zip(portion.indices, results) {
        let text = result.text(run.tokenizer)
        try Console.write(Array((report.json ? json(number, texts[number], text, result) : text + "\n").utf8))
      }
    }
  }

  private func load(_ cluster: Cluster, _ progress: Progress) throws -> GenerationRun {
    let download = ModelDownload(isQuiet: progress.isQuiet), threads = threads.count(on: cluster)
    guard cluster.broadcast(RunDirectory.isRun(source)) else {
      try download.fetch(source, on: cluster)
      return try cluster.together {
        try GenerationRun(
          model: source, adapterDirectory: adapter, template: template, threads: threads, cluster: cluster)
      }
    }
    if adapter != nil { throw ValidationError("--adapter needs a model; \(source) is a run and has its own adapter") }
    let directory = try RunDirectory.shared(source, by: cluster)
    let config = try cluster.together { try directory.config() }
    directory.notices.forEach(progress.notice)
    try download.fetch(config.model, on: cluster)
    return try cluster.together {
      try GenerationRun(
        run: config, adapterDirectory: directory.adapterPath, template: template, threads: threads, cluster: cluster)
    }
  }

  private func stream(_ prompt: [Int32], _ run: GenerationRun, _ options: GenerationOptions) throws {
    var text = TextStream(run.tokenizer, after: prompt), failure: (any Error)?
    func write(_ text: String) -> Bool {
      do { try Console.write(Array(text.utf8)) } catch { failure = error }
      return failure == nil
    }
    let result = run.generator.stream(prompt, options) { token in write(text.add(token)) }
    _ = failure == nil && write(text.finish() + result.rest + "\n")
    if let failure { throw failure }
  }

  private func options(_ run: GenerationRun, _ progress: Progress) throws -> GenerationOptions {
    var request = flags.request
    beams.apply(to: &request)
    let (options, notices) = try run.options(request)
    notices.forEach(progress.notice)
    return options
  }

  /// The texts of the prompts, or of --file, or of stdin, which only rank 0 has.
  private func texts(_ run: GenerationRun, _ cluster: Cluster) throws -> [String] {
    if !prompts.isEmpty { return prompts }
    let style = TableStyle(format: format), column = self.column.map(Column.name) ?? run.textColumn
    if let file, file != "-" {
      return try cluster.together { try PredictionInput(path: file).texts(style: style, column: column) }
    }
    let bytes = cluster.broadcast(try cluster.together { cluster.leads ? try Console.readAll() : [] })
    return try cluster.together {
      try PredictionInput(bytes: bytes, name: "stdin").texts(style: style, column: column)
    }
  }

  private func json(_ number: Int, _ prompt: String, _ text: String, _ result: Generation) -> String {
    JSONWriter.text(
      [
        "index": .integer(number), "prompt": .string(prompt), "text": .string(text),
        "tokens": .list(result.tokens.map { .integer(Int($0)) }), "end": .string(result.end.rawValue),
      ], pretty: false) + "\n"
  }
}

/// An error in one of several prompts.
private struct PromptFailure: UserFacingError {
  let number: Int
  let error: any UserFacingError
  var description: String { "prompt \(number): \(error)" }
  var exitStatus: ExitStatus { error.exitStatus }
}
