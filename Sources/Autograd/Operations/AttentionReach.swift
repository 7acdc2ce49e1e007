/// Which keys a query sees, by their distance to it in the sequence.
public struct AttentionReach: Sendable, Equatable {
  /// How many tokens before its own a query sees; nil: all.
  public let before: Int?
  /// How many tokens after its own a query sees; nil: all.
  public let after: Int?

  /// A query sees itself, `before` tokens before it and `after` tokens after it; nil: all.
  public init(before: Int?, after: Int?) {
    precondition(before ?? 0 >= 0 && after ?? 0 >= 0)
    self.before = before
    self.after = after
  }

  /// Every token of the sequence.
  public static let all = AttentionReach(before: nil, after: nil)
  /// The query's own token and all earlier ones.
  public static let causal = AttentionReach(before: nil, after: 0)

  /// The query's own token and the `window` − 1 tokens before it: transformers' `sliding_window`.
  public static func causal(window: Int) -> AttentionReach { AttentionReach(before: window - 1, after: 0) }

  /// Tokens at most `distance` away, on both sides (ModernBERT, arXiv 2412.13663, section 2.1.2).
  public static func within(_ distance: Int) -> AttentionReach { AttentionReach(before: distance, after: distance) }

  /// Whether no query sees later tokens.
  public var isCausal: Bool { after == 0 }

  /// The keys that the query at `position` sees, out of `count`.
  func keys(of position: Int, count: Int) -> Range<Int> {
    let first = before.map { max(0, position - $0) } ?? 0
    return first..<(after.map { min(count, position + $0 + 1) } ?? count)
  }
}
