import ArgumentParser
import Training

/// How text is generated, for every verb that continues what a person gives. Flags override the model's
/// `generation_config.json`.
struct GenerationFlags: ParsableArguments {
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Maximum tokens to generate (default: the model's, or 128).", valueName: "n"))
  var maxNewTokens: Int?

  @Option(parsing: .unconditional, help: ArgumentHelp("The text does not end before so many tokens.", valueName: "n"))
  var minNewTokens: Int?

  @Flag(help: "Always take the likeliest token, even if the model's generation_config.json samples.")
  var greedy = false

  @Flag(help: "Sample tokens.")
  var doSample = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Sample tokens, with logits divided by this temperature; 0 is --greedy.", valueName: "t"))
  var temperature: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Sample from the k likeliest tokens (default: 50; 0 is off).", valueName: "k"))
  var topK: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Sample from the likeliest tokens whose probabilities add up to p.", valueName: "p"))
  var topP: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Sample from tokens that are at least p times as likely as the likeliest.", valueName: "p"))
  var minP: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Sample from the most typical tokens whose probabilities add up to p.", valueName: "p"))
  var typicalP: Double?

  @Option(parsing: .unconditional, help: ArgumentHelp("Penalise tokens already in the text; 1 is off.", valueName: "x"))
  var repetitionPenalty: Double?

  @Option(
    name: .customLong("no-repeat-ngram-size"), parsing: .unconditional,
    help: ArgumentHelp("No n-gram of this length repeats; 0 is off.", valueName: "n"))
  var noRepeatNGramSize: Int?

  @Option(
    name: .customLong("stop"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp(
      "End before this text; repeatable. An empty one removes the stop strings of the model.", valueName: "text"))
  var stops: [String] = []

  @Option(help: ArgumentHelp("Random seed for sampling.", valueName: "n"))
  var seed: UInt64 = 42

  @Flag(name: .customLong("no-cache"), help: "Recompute the whole text for each token (slow; for comparison).")
  var noCache = false

  func validate() throws {
    try check("--max-new-tokens", maxNewTokens, atLeast: 1)
    try check("--min-new-tokens", minNewTokens, atLeast: 0)
    if let minNewTokens, let maxNewTokens, minNewTokens > maxNewTokens {
      throw ValidationError("--min-new-tokens \(minNewTokens) is above --max-new-tokens \(maxNewTokens)")
    }
    try check("--top-k", topK, atLeast: 0)
    try check("--no-repeat-ngram-size", noRepeatNGramSize, atLeast: 0)
    if let temperature, !(temperature >= 0 && temperature.isFinite) {
      throw ValidationError("--temperature must be at least 0, not \(temperature)")
    }
    for (flag, share) in [("--top-p", topP), ("--min-p", minP), ("--typical-p", typicalP)] {
      if let share, !(share > 0 && share <= 1) {
        throw ValidationError("\(flag) must be above 0 and at most 1, not \(share)")
      }
    }
    if let repetitionPenalty, !(repetitionPenalty > 0 && repetitionPenalty.isFinite) {
      throw ValidationError("--repetition-penalty must be above 0, not \(repetitionPenalty)")
    }
    if stops.count > 1, stops.contains("") {
      throw ValidationError("--stop '' removes the stop strings of the model and stands alone")
    }
    if greedy || temperature == 0, let other = firstSamplingFlag {
      throw ValidationError("\(greedy ? "--greedy" : "--temperature 0") cannot be combined with \(other)")
    }
  }

  /// Whether a flag asks for sampling.
  var samples: Bool { firstSamplingFlag != nil }

  private var firstSamplingFlag: String? {
    let flags = [
      ("--do-sample", doSample), ("--temperature", temperature.map { $0 > 0 || greedy } ?? false),
      ("--top-k", topK != nil), ("--top-p", topP != nil), ("--min-p", minP != nil), ("--typical-p", typicalP != nil),
    ]
    return flags.first(where: \.1)?.0
  }

  /// What these flags ask for.
  var request: GenerationRequest {
    var request = GenerationRequest()
    request.maxNewTokens = maxNewTokens
    request.minNewTokens = minNewTokens
    request.samples = samples ? true : greedy || temperature == 0 ? false : nil
    request.temperature = temperature
    request.topK = topK
    request.topP = topP
    request.minP = minP
    request.typicalP = typicalP
    request.repetitionPenalty = repetitionPenalty
    request.noRepeatNGramSize = noRepeatNGramSize
    if !stops.isEmpty { request.stopStrings = stops == [""] ? [] : stops }
    request.seed = seed
    request.usesCache = !noCache
    return request
  }
}

/// The beam search, of verbs that print whole texts.
struct BeamFlags: ParsableArguments {
  @Option(
    name: .customLong("num-beams"), parsing: .unconditional,
    help: ArgumentHelp("Number of beams in the search.", valueName: "n"))
  var beams: Int?

  @Option(
    parsing: .unconditional, help: ArgumentHelp("Beams are ranked by log-probability / length^x.", valueName: "x"))
  var lengthPenalty: Double?

  @Flag(
    inversion: .prefixedNo, help: "End the beam search once there are as many finished texts as beams.")
  var earlyStopping: Bool?

  func validate() throws {
    try check("--num-beams", beams, atLeast: 1)
    if let lengthPenalty, !lengthPenalty.isFinite {
      throw ValidationError("--length-penalty must be a number, not \(lengthPenalty)")
    }
  }

  /// Adds what these flags ask for.
  func apply(to request: inout GenerationRequest) {
    request.beams = beams
    request.lengthPenalty = lengthPenalty
    request.earlyStopping = earlyStopping.map { $0 ? .full : .heuristic }
  }
}
