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

      Continues each --prompt, or the texts of --file, or else each line of stdin; answers the conversations of --messages. A single text is printed as it is generated; several are printed \
      in order, each ending with a line feed, or as one JSON object per line with --json. For runs on task instruct, \
      prompts are put into the run's template. Defaults are those of the model's generation_config.json, as in transformers; \
      without it, always takes the likeliest token.
      """)

  @OptionGroup var source: GenerationSource

  @OptionGroup var prompts: PromptFlags

  @Option(
    help: ArgumentHelp(
      "Prompt template: \(TaskOptions.templates), or a text with {instruction} (default: the run's, or none).",
      valueName: "name"))
  var template: String?

  @OptionGroup var flags: GenerationFlags
  @OptionGroup var beams: BeamFlags
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions

  func validate() throws {
    if let beams = beams.beams, beams > 1, flags.samples {
      throw ValidationError(
        "--num-beams cannot be combined with --do-sample, --temperature, --top-k, --top-p, --min-p and --typical-p: beam "
          + "search does not sample")
    }
  }

  func run() throws {
    let flags = (source.adapter == nil ? "" : " --adapter") + (report.json ? " --json" : "")
    try withCluster("generate" + flags) { try run($0) }
  }

  private func run(_ cluster: Cluster) throws {
    _ = BLASLibrary.prepare()
    let progress = Progress(isQuiet: report.on(cluster).quiet)
    cluster.notices.forEach(progress.notice)
    let run = try source.load(template: template, knowingTurns: prompts.haveTurns, threads, cluster, progress)
    try run.requireEqualRanks().forEach(progress.notice)
    run.notices.forEach(progress.notice)
    let options = try options(run, progress)
    let prompts = try prompts.read(run, cluster)
    let ids = try run.prompts(options) {
      try prompts.enumerated().map { number, prompt in
        do {
          return try prompt.ids(run, options)
        } catch let error as any UserFacingError where prompts.count > 1 {
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
        try Console.write(Array((report.json ? json(number, prompts[number], text, result) : text + "\n").utf8))
      }
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

  private func json(_ number: Int, _ prompt: Prompt, _ text: String, _ result: Generation) -> String {
    let prompt = prompt.json
    return JSONWriter.text(
      [
        "index": .integer(number), (prompt.key): prompt.value, "text": .string(text),
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
