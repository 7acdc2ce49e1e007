import Metrics

/// One text or pair of texts, verbatim, with its label where that is known.
public struct Example: Sendable, Equatable {
  /// The only or the first text.
  public let text: String
  /// The second text of a pair, which may be empty; nil in tasks of one text.
  public let pair: String?
  /// Nil in unlabelled files.
  public let label: Label?
  /// 1-based line in the file.
  public let line: Int

  /// An example from its parts.
  public init(text: String, pair: String? = nil, label: Label? = nil, line: Int) {
    (self.text, self.pair, self.label, self.line) = (text, pair, label, line)
  }
}
