import Tokenizers

/// How text is continued; names and meanings are those of HF `GenerationConfig`.
public struct GenerationOptions: Sendable, Equatable {
  /// Maximum number of new tokens.
  public var maxNewTokens = 128
  /// Maximum number of tokens of prompt and continuation together; instead of `maxNewTokens` if set.
  public var maxLength: Int?
  /// The text does not end before it has so many new tokens.
  public var minNewTokens = 0
  /// The text does not end before prompt and continuation together have so many tokens.
  public var minLength = 0
  /// Samples tokens instead of taking the likeliest.
  public var samples = false
  /// Divides the logits before sampling.
  public var temperature = 1.0
  /// Samples from the k likeliest tokens; 0 is off.
  public var topK = 0
  /// Samples from the likeliest tokens whose probabilities add up to p.
  public var topP = 1.0
  /// Samples from tokens whose probability is at least this share of the likeliest one's; 0 is off.
  public var minP = 0.0
  /// Samples from the tokens nearest to the expected surprise whose probabilities add up to this; 1 is off.
  public var typicalP = 1.0
  /// Samples from tokens of at least this probability; 0 is off.
  public var epsilonCutoff = 0.0
  /// The same with a bound that falls with the entropy; 0 is off.
  public var etaCutoff = 0.0
  /// Divides positive logits, and multiplies negative ones, of tokens already in the text.
  public var repetitionPenalty = 1.0
  /// No n-gram of this length repeats; 0 is off.
  public var noRepeatNGramSize = 0
  /// Sequences of tokens that never appear.
  public var badWords: [[Int32]] = []
  /// Tokens that are never chosen.
  public var suppressedTokens: [Int32] = []
  /// Tokens that are not chosen first.
  public var suppressedAtStart: [Int32] = []
  /// Makes a beam's scores probabilities again after tokens were ruled out.
  public var renormalizes = false
  /// Number of beams in the search; 1 is off.
  public var beams = 1
  /// Finished beams are ranked by log-probability / length to this power.
  public var lengthPenalty = 1.0
  /// When the beam search ends.
  public var earlyStopping = EarlyStopping.heuristic
  /// Texts that end the continuation, which leaves them out.
  public var stopStrings: [String] = []
  /// The seed for sampling.
  public var seed: UInt64 = 42
  /// Keeps keys and values of earlier tokens; otherwise the whole text is recomputed for each token.
  public var usesCache = true

  /// The defaults: always the likeliest token.
  public init() {}

  /// When a beam search ends.
  public enum EarlyStopping: String, Sendable, CustomStringConvertible {
    /// `false`: once the best beam, as it is, would not be among the finished ones.
    case heuristic = "false"
    /// `true`: once as many texts as beams are finished.
    case full = "true"
    /// `"never"`: once no beam can come among the finished ones.
    case never

    /// As generation_config.json has it.
    public var description: String { rawValue }
  }

  /// The number of tokens that may follow a prompt of `length` tokens.
  func newTokens(after length: Int) -> Int { maxLength.map { max(0, $0 - length) } ?? maxNewTokens }

  /// Whether a text of a prompt's `length` tokens and `new` ones may not end yet.
  func mustGoOn(prompt length: Int, new: Int) -> Bool { new < minNewTokens || length + new < minLength }
}

/// A continuation.
public struct Generation: Sendable, Equatable {
  /// The new tokens, without the one that ends a text, but with those of a stop string.
  public let tokens: [Int32]
  /// Why it ended.
  public let end: End
  /// The first so many tokens have text before a stop string.
  let shown: Int
  /// The text between those and the stop string, which lies in the token where that begins.
  public let rest: String

  init(tokens: [Int32], end: End, shown: Int? = nil, rest: String = "") {
    self.tokens = tokens
    self.end = end
    self.shown = shown ?? tokens.count
    self.rest = rest
  }

  /// The text, without the stop string that ended it.
  public func text(_ tokenizer: Tokenizer) -> String { tokenizer.decode(tokens.prefix(shown)) + rest }

  /// Why a continuation ended.
  public enum End: String, Sendable {
    /// The model ended the text.
    case endOfText = "end_of_text"
    /// The text came to a stop string.
    case stopString = "stop_string"
    /// There were `maxNewTokens`, or as many as the model has positions for.
    case length
    /// The caller stopped it.
    case stopped
  }
}
