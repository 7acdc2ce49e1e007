/// How text is continued; names and meanings are those of HF `GenerationConfig`.
public struct GenerationOptions: Sendable, Equatable {
  /// Maximum number of new tokens.
  public var maxNewTokens = 128
  /// Samples tokens instead of taking the likeliest.
  public var samples = false
  /// Divides the logits before sampling.
  public var temperature = 1.0
  /// Samples from the k likeliest tokens; 0 is off.
  public var topK = 0
  /// Samples from the likeliest tokens whose probabilities add up to p.
  public var topP = 1.0
  /// Divides positive logits, and multiplies negative ones, of tokens already in the text.
  public var repetitionPenalty = 1.0
  /// No n-gram of this length repeats; 0 is off.
  public var noRepeatNGramSize = 0
  /// Number of beams in the search; 1 is off.
  public var beams = 1
  /// Finished beams are ranked by log-probability / length to this power.
  public var lengthPenalty = 1.0
  /// Ends the beam search once `beams` texts are finished.
  public var stopsEarly = false
  /// The seed for sampling.
  public var seed: UInt64 = 42
  /// Keeps keys and values of earlier tokens; otherwise the whole text is recomputed for each token.
  public var usesCache = true

  /// The defaults: always the likeliest token.
  public init() {}
}

/// A continuation.
public struct Generation: Sendable, Equatable {
  /// The new tokens, without the one that ends a text.
  public let tokens: [Int32]
  /// Why it ended.
  public let end: End

  /// Why a continuation ended.
  public enum End: String, Sendable {
    /// The model ended the text.
    case endOfText = "end_of_text"
    /// There were `maxNewTokens`, or as many as the model has positions for.
    case length
    /// The caller stopped it.
    case stopped
  }
}
