import ArgumentParser
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

      Continues --prompt, or every line of stdin. One text comes as it is made, several in their order, each with a line \
      feed after it; --json gives one object a line. A run that learnt to answer (task instruct) gets prompts in its \
      template. Without --temperature, --top-k and --top-p the likeliest token is taken each time.
      """)

  @Argument(help: ArgumentHelp("A run's directory, or a model's.", valueName: "run-or-model-dir"))
  var source: String

  @Option(help: ArgumentHelp("With a model: a native or HF PEFT adapter directory.", valueName: "dir"))
  var adapter: String?

  @Option(name: .customLong("prompt"), help: ArgumentHelp("A text to continue; repeatable.", valueName: "text"))
  var prompts: [String] = []

  @Option(
    help: ArgumentHelp(
      "How a prompt is put to the model: alpaca, model (its own chat template), chatml, llama-2, llama-3, or a text "
        + "with {instruction} (default: as the run learnt, else as it is).", valueName: "name"))
  var template: String?

  @Option(help: ArgumentHelp("The most tokens that are added.", valueName: "n"))
  var maxNewTokens = 128

  @Option(help: ArgumentHelp("Draw tokens; logits are divided by this.", valueName: "t"))
  var temperature: Double?

  @Option(help: ArgumentHelp("Draw among the likeliest n tokens.", valueName: "n"))
  var topK: Int?

  @Option(help: ArgumentHelp("Draw among the likeliest tokens with this share of the probability.", valueName: "p"))
  var topP: Double?

  @Option(help: ArgumentHelp("Make tokens that the text has less likely; 1: don't.", valueName: "x"))
  var repetitionPenalty = 1.0

  @Option(name: .customLong("no-repeat-ngram-size"), help: ArgumentHelp("Let no n tokens occur twice.", valueName: "n"))
  var noRepeatNGramSize = 0

  @Option(name: .customLong("num-beams"), help: ArgumentHelp("Search with n beams.", valueName: "n"))
  var beams = 1

  @Option(help: ArgumentHelp("Rank beams by log-probability / length to this power.", valueName: "x"))
  var lengthPenalty = 1.0

  @Flag(help: "End a beam search once there are as many finished texts as beams.")
  var earlyStopping = false

  @Option(help: ArgumentHelp("The seed of drawing.", valueName: "n"))
  var seed: UInt64 = 42

  @Flag(name: .customLong("no-cache"), help: "Run through the whole text for every token; for comparison.")
  var noCache = false

  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions

  func validate() throws {
    func atLeast(_ least: Int, _ value: Int?, _ flag: String) throws {
      if let value, value < least { throw ValidationError("\(flag) must be at least \(least), not \(value)") }
    }
    try atLeast(1, maxNewTokens, "--max-new-tokens")
    try atLeast(1, topK, "--top-k")
    try atLeast(0, noRepeatNGramSize, "--no-repeat-ngram-size")
    try atLeast(1, beams, "--num-beams")
    if let temperature, !(temperature > 0 && temperature.isFinite) {
      throw ValidationError("--temperature must be above 0, not \(temperature)")
    }
    if let topP, !(topP > 0 && topP <= 1) {
      throw ValidationError("--top-p must be above 0 and at most 1, not \(topP)")
    }
    if !(repetitionPenalty > 0 && repetitionPenalty.isFinite) {
      throw ValidationError("--repetition-penalty must be above 0, not \(repetitionPenalty)")
    }
    if !lengthPenalty.isFinite { throw ValidationError("--length-penalty must be a number, not \(lengthPenalty)") }
    if beams > 1, options.samples {
      throw ValidationError("--num-beams goes without --temperature, --top-k and --top-p: beams are not drawn")
    }
  }

  func run() throws {
    _ = BLASLibrary.prepare()
    let run = try load()
    let texts = try prompts.isEmpty ? lines() : prompts
    let ids = try texts.enumerated().map { number, text in
      do {
        return try run.ids(of: text)
      } catch let error as any UserFacingError where texts.count > 1 {
        throw PromptFailure(number: number + 1, error: error)
      }
    }
    if ids.count == 1, beams == 1, !report.json { return try stream(ids[0], run) }
    // So many at a time that results come while others are at work.
    let size = 8 * threads.count
    for start in stride(from: 0, to: ids.count, by: size) {
      let range = start..<min(start + size, ids.count)
      let results = run.generator.continuations(of: Array(ids[range]), first: start, options)
      for (number, result) in zip(range, results) {
        let text = run.tokenizer.decode(result.tokens)
        try Console.write(Array((report.json ? json(number, texts[number], text, result) : text + "\n").utf8))
      }
    }
  }

  private func load() throws -> GenerationRun {
    if RunDirectory.isDirectory(source), let directory = try? RunDirectory(source) {
      if adapter != nil { throw ValidationError("--adapter goes with a model; \(source) is a run, which has its own") }
      let config = try RunConfig.load(path: directory.configPath)
      directory.notices.forEach(Progress(isQuiet: report.quiet).notice)
      try ModelDownload(isQuiet: report.quiet).fetch(config.model)
      return try GenerationRun(
        run: config, adapterDirectory: directory.adapterPath, template: template, threads: threads.count)
    }
    try ModelDownload(isQuiet: report.quiet).fetch(source)
    return try GenerationRun(model: source, adapterDirectory: adapter, template: template, threads: threads.count)
  }

  private func stream(_ prompt: [Int32], _ run: GenerationRun) throws {
    var text = TextStream(run.tokenizer, after: prompt), failure: (any Error)?
    func write(_ text: String) -> Bool {
      do { try Console.write(Array(text.utf8)) } catch { failure = error }
      return failure == nil
    }
    _ = run.generator.stream(prompt, options) { token in write(text.add(token)) }
    _ = failure == nil && write(text.finish() + "\n")
    if let failure { throw failure }
  }

  private var options: GenerationOptions {
    var options = GenerationOptions()
    options.maxNewTokens = maxNewTokens
    options.samples = temperature != nil || topK != nil || topP != nil
    options.temperature = temperature ?? 1
    options.topK = topK ?? 0
    options.topP = topP ?? 1
    options.repetitionPenalty = repetitionPenalty
    options.noRepeatNGramSize = noRepeatNGramSize
    options.beams = beams
    options.lengthPenalty = lengthPenalty
    options.stopsEarly = earlyStopping
    options.seed = seed
    options.usesCache = !noCache
    return options
  }

  private func lines() throws -> [String] {
    var stream = LineStream()
    let read = stream.add(try Console.readAll()).lines + stream.finish().lines
    return try read.enumerated().map { number, line in
      guard let text = String(validating: line, as: UTF8.self) else {
        throw TaskError.invalidUTF8(file: "stdin", line: number + 1)
      }
      return text
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

/// What is wrong with one prompt of several.
private struct PromptFailure: UserFacingError {
  let number: Int
  let error: any UserFacingError
  var description: String { "prompt \(number): \(error)" }
  var exitStatus: ExitStatus { error.exitStatus }
}
