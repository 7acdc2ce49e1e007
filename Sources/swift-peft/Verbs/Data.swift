import ArgumentParser
import Configuration
import Metrics
import Training

/// `swift-peft data CONFIG`.
struct ShowData: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data",
    abstract: "Show what training will see of the data.",
    discussion: """
      EXAMPLE: swift-peft data configs/quickstart.json
      EXAMPLE: swift-peft data configs/quickstart.json --split validation --example 7

      Reads and tokenizes the data exactly as train does, and prints for each split: examples, their lengths in tokens, \
      what is cut or left out, labels or tokens to predict; then some examples, token by token. What a language model \
      is to predict is green on a terminal, and otherwise (or if NO_COLOR is set) in ⟦ ⟧. Needs the model's config.json \
      and tokenizer, not its weights, and writes nothing.

      With --json, prints one JSON object per line: first the numbers, then each example with its ids, tokens, targets \
      and label.
      """)

  @Argument(help: "The run config (JSON).")
  var config: String

  @Option(help: ArgumentHelp("Show the first n examples.", valueName: "n"))
  var examples: Int?

  @Option(help: ArgumentHelp("Show only the example with this number, counted from 0.", valueName: "number"))
  var example: Int?

  @Option(
    help: ArgumentHelp(
      "Read only this split (default: all that training reads; examples are then from the first).", valueName: "split"))
  var split: Split?

  @OptionGroup var override: OverrideOptions
  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions

  func validate() throws {
    try check("--examples", examples, atLeast: 0)
    try check("--example", example, atLeast: 0)
    if examples != nil, example != nil { throw ValidationError("--examples and --example exclude each other") }
  }

  func run() throws {
    let config = try RunConfig.load(path: config, overrides: override.overrides)
    try ModelDownload(isQuiet: report.quiet).fetch(config.model, .tokenizer)
    let inspection = try DataInspection(config, split: split, threads: threads.count)
    let progress = Progress(isQuiet: report.quiet)
    inspection.notices.forEach(progress.notice)
    let text = try DataText(inspection, colours: coloursOutput()), part = inspection.parts[0]
    let chosen = try chosen(part)
    try Console.print(report.json ? text.json : text.summary)
    for index in chosen {
      try Console.print(report.json ? text.json(index, of: part) : text.example(index, of: part))
    }
  }

  private func chosen(_ part: DataInspection.Part) throws -> Range<Int> {
    let count = part.data.items.count
    guard let example else { return 0..<min(examples ?? 3, count) }
    guard example < count else {
      throw ValidationError(
        "--example: \(part.split.rawValue) has \(count == 1 ? "1 example" : "\(grouped(count)) examples"), counted from 0, "
          + "and so none with the number \(example)")
    }
    return example..<(example + 1)
  }
}
