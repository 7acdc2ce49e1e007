import ArgumentParser
import Configuration
import Training

/// How `eval` generates texts for task e2e.
struct TextOptions: ParsableArguments {
  @Flag(help: "Task e2e: compute only the loss; generate no texts.")
  var lossOnly = false

  @Option(
    name: .customLong("num-beams"),
    help: ArgumentHelp("Task e2e: number of beams in the search (default: 10).", valueName: "n"))
  var beams: Int?

  @Option(
    help: ArgumentHelp(
      "Task e2e: beams are ranked by log-probability / length^x (default: 0.8).", valueName: "x"))
  var lengthPenalty: Double?

  @Option(
    name: .customLong("no-repeat-ngram-size"),
    help: ArgumentHelp("Task e2e: no n-gram of this length repeats (default: 4; 0 is off).", valueName: "n"))
  var noRepeatNGramSize: Int?

  @Option(help: ArgumentHelp("Task e2e: maximum tokens per text (default: 64).", valueName: "n"))
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

  /// How texts are generated for `task`; nil if none are. Throws if flags are set that do not apply to it.
  func generation(_ task: TaskName) throws -> GenerationOptions? {
    guard task == .e2e else {
      if lossOnly || changesGeneration {
        throw ValidationError("--loss-only and the generation flags apply to task e2e only, not to \(task.rawValue)")
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
