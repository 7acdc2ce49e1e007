import Diagnostics

/// What a caller wants of a generation; a nil field leaves it to the model's `GenerationDefaults`, and then to the
/// defaults of transformers' `generate` (of a text's length alone to 128 new tokens, where that has 20).
public struct GenerationRequest: Sendable {
  /// Maximum number of new tokens.
  public var maxNewTokens: Int?
  /// Minimum number of new tokens.
  public var minNewTokens: Int?
  /// Sampling, or always the likeliest token.
  public var samples: Bool?
  /// Divides the logits before sampling.
  public var temperature: Double?
  /// Samples from the k likeliest tokens; 0 is off.
  public var topK: Int?
  /// Samples from the likeliest tokens whose probabilities add up to p.
  public var topP: Double?
  /// Samples from tokens at least so likely as this share of the likeliest.
  public var minP: Double?
  /// Samples from the most typical tokens whose probabilities add up to this.
  public var typicalP: Double?
  /// Penalises tokens already in the text.
  public var repetitionPenalty: Double?
  /// No n-gram of this length repeats.
  public var noRepeatNGramSize: Int?
  /// Number of beams in the search.
  public var beams: Int?
  /// Ranks finished beams by log-probability / length to this power.
  public var lengthPenalty: Double?
  /// When the beam search ends.
  public var earlyStopping: GenerationOptions.EarlyStopping?
  /// Texts that end the continuation; an empty list removes those of the model.
  public var stopStrings: [String]?
  /// The seed for sampling.
  public var seed: UInt64 = 42
  /// Keeps keys and values of earlier tokens.
  public var usesCache = true

  /// Leaves everything to the model.
  public init() {}

  /// The options, and which of them come from the model's file, as `field value`.
  ///
  /// Throws what is wrong with the file's fields for sampling if they count, and where beams would have to sample.
  public func options(over file: GenerationDefaults) throws -> (options: GenerationOptions, taken: [String]) {
    var options = GenerationOptions(), merge = Merge()
    options.samples = merge.take("do_sample", samples, file.samples, or: false)
    options.beams = merge.take("num_beams", beams, file.beams, or: 1)
    if options.samples, options.beams > 1 {
      throw GenerationError.samplingBeams(beams: options.beams, file: merge.taken.isEmpty ? nil : file.file)
    }
    setLengths(&options, file, &merge)
    options.repetitionPenalty = merge.take("repetition_penalty", repetitionPenalty, file.repetitionPenalty, or: 1)
    options.noRepeatNGramSize = merge.take("no_repeat_ngram_size", noRepeatNGramSize, file.noRepeatNGramSize, or: 0)
    options.badWords = merge.take("bad_words_ids", nil, file.badWords, or: [])
    options.suppressedTokens = merge.take("suppress_tokens", nil, file.suppressedTokens, or: [])
    options.suppressedAtStart = merge.take("begin_suppress_tokens", nil, file.suppressedAtStart, or: [])
    options.stopStrings = merge.take("stop_strings", stopStrings, file.stopStrings, or: [])
    if options.samples { try setSampling(&options, file, &merge) }
    if options.beams > 1 {
      options.lengthPenalty = merge.take("length_penalty", lengthPenalty, file.lengthPenalty, or: 1)
      options.earlyStopping = merge.take("early_stopping", earlyStopping, file.earlyStopping, or: .heuristic)
      options.renormalizes = merge.take("renormalize_logits", nil, file.renormalizes, or: false)
    }
    (options.seed, options.usesCache) = (seed, usesCache)
    return (options, merge.taken)
  }

  private func setLengths(_ options: inout GenerationOptions, _ file: GenerationDefaults, _ merge: inout Merge) {
    if maxNewTokens == nil, file.maxNewTokens == nil, let most = file.maxLength {
      options.maxLength = merge.take("max_length", nil, most, or: 0)
    } else {
      options.maxNewTokens = merge.take("max_new_tokens", maxNewTokens, file.maxNewTokens, or: 128)
    }
    options.minNewTokens = merge.take("min_new_tokens", minNewTokens, file.minNewTokens, or: 0)
    // A number of new tokens stands instead of one of all tokens.
    if minNewTokens == nil, file.minNewTokens == nil {
      options.minLength = merge.take("min_length", nil, file.minLength, or: 0)
    }
  }

  private func setSampling(
    _ options: inout GenerationOptions, _ file: GenerationDefaults, _ merge: inout Merge
  ) throws {
    let asked: Set<String> = Set(
      [
        ("temperature", temperature != nil), ("top_k", topK != nil), ("top_p", topP != nil), ("min_p", minP != nil),
        ("typical_p", typicalP != nil),
      ].filter(\.1).map(\.0))
    try ErrorList.throwIfAny(
      file.samplingErrors.filter { !asked.contains($0.key) }.map(\.value).sorted { $0.place.line < $1.place.line })
    options.temperature = merge.take("temperature", temperature, file.temperature, or: 1)
    options.topK = merge.take("top_k", topK, file.topK, or: 50)
    options.topP = merge.take("top_p", topP, file.topP, or: 1)
    options.minP = merge.take("min_p", minP, file.minP, or: 0)
    options.typicalP = merge.take("typical_p", typicalP, file.typicalP, or: 1)
    options.epsilonCutoff = merge.take("epsilon_cutoff", nil, file.epsilonCutoff, or: 0)
    options.etaCutoff = merge.take("eta_cutoff", nil, file.etaCutoff, or: 0)
  }

  /// Takes what is asked for, else what the file has, else a standard.
  private struct Merge {
    /// What the file gave, where it is not the standard.
    var taken: [String] = []

    mutating func take<Value: Equatable>(_ name: String, _ asked: Value?, _ file: Value?, or standard: Value) -> Value {
      if let asked { return asked }
      guard let file, file != standard else { return standard }
      taken.append("\(name) \(file)")
      return file
    }
  }
}

/// Why text cannot be generated as asked.
public enum GenerationError: UserFacingError, Equatable {
  /// A beam search that would have to sample. `file` has at least one of the two.
  case samplingBeams(beams: Int, file: String?)
  /// Turns for something that continues plain texts.
  case noTemplate(directory: String)
  /// A chat template that makes no text of a conversation.
  case emptyPrompt
  /// `--template` names nothing that can be used.
  case badTemplate(problem: String)
  /// The model's `max_length` leaves no room after the prompt.
  case promptFillsMaxLength(tokens: Int, limit: Int, file: String)

  /// One exact sentence.
  public var description: String {
    switch self {
    case .samplingBeams(let beams, let file):
      "beam search does not sample: there are num_beams \(beams) and do_sample true"
        + (file.map { " (see \($0))" } ?? "") + "; add --greedy, or --num-beams 1"
    case .noTemplate(let directory):
      "\(directory): a run on plain texts knows no turns; --template model takes the model's chat template, chatml, llama-2, "
        + "llama-3 or a file of Jinja another"
    case .emptyPrompt: "the chat template makes no text of the conversation, so that there is nothing to answer"
    case .badTemplate(let problem): "--template: \(problem)"
    case .promptFillsMaxLength(let tokens, let limit, let file):
      "the prompt's \(tokens) tokens leave no room for a continuation: max_length is \(limit) in \(file); set "
        + "--max-new-tokens, which counts new tokens alone"
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}
