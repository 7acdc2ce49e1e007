/// How text is continued; names and meanings are those of HF `GenerationConfig`.
public struct GenerationOptions: Sendable, Equatable {
  /// The most tokens that are added.
  public var maxNewTokens = 128
  /// Draws tokens by their probability instead of taking the likeliest.
  public var samples = false
  /// Divides the logits before drawing.
  public var temperature = 1.0
  /// Draws among the likeliest so many tokens; 0: all.
  public var topK = 0
  /// Draws among the likeliest tokens that have this share of the probability together.
  public var topP = 1.0
  /// Logits of tokens that are in the text already are divided by this where positive, multiplied where negative.
  public var repetitionPenalty = 1.0
  /// No so many tokens in a row occur twice; 0: no limit.
  public var noRepeatNGramSize = 0
  /// Beams of a beam search; 1: none.
  public var beams = 1
  /// Finished beams are ranked by log-probability / length to this power.
  public var lengthPenalty = 1.0
  /// Ends a beam search as soon as there are `beams` finished ones.
  public var stopsEarly = false
  /// The seed of drawing.
  public var seed: UInt64 = 42
  /// Keeps keys and values of earlier tokens; without, every token runs through the whole text again.
  public var usesCache = true

  /// Every default: the likeliest tokens, one after the other.
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
