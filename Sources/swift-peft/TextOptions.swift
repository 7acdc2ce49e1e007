import ArgumentParser
import Tasks
import Training

/// How `eval` generates the texts of task e2e.
struct TextOptions: ParsableArguments {
  @Flag(help: "Task e2e: score by loss alone, and generate nothing.")
  var lossOnly = false

  @Option(name: .customLong("num-beams"), help: ArgumentHelp("Task e2e: search with n beams (10).", valueName: "n"))
  var beams: Int?

  @Option(help: ArgumentHelp("Task e2e: rank beams by log-probability / length to this power (0.8).", valueName: "x"))
  var lengthPenalty: Double?

  @Option(
    name: .customLong("no-repeat-ngram-size"),
    help: ArgumentHelp("Task e2e: let no n tokens occur twice (4).", valueName: "n"))
  var noRepeatNGramSize: Int?

  @Option(help: ArgumentHelp("Task e2e: the most tokens of a text (64).", valueName: "n"))
  var maxNewTokens: Int?

  func validate() throws {
    let values = [
      ("--num-beams", beams, 1), ("--no-repeat-ngram-size", noRepeatNGramSize, 0),
      ("--max-new-tokens", maxNewTokens, 1),
    ]
    for case (let flag, let value?, let least) in values where value < least {
      throw ValidationError("\(flag) must be at least \(least), not \(value)")
    }
    if let lengthPenalty, !lengthPenalty.isFinite {
      throw ValidationError("--length-penalty must be a number, not \(lengthPenalty)")
    }
    if lossOnly, changesGeneration { throw ValidationError("--loss-only generates nothing: give it alone") }
  }

  /// How texts are generated for `task`; nil where none are. Throws where flags are given that mean nothing to it.
  func generation(_ task: Task) throws -> GenerationOptions? {
    guard task.isScoredByTexts else {
      if lossOnly || changesGeneration {
        throw ValidationError("--loss-only and the flags of generation are for task e2e, not \(task.name)")
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
