extension Tokenizer {
  /// The ids of a text that is cut into words already, with special tokens, as transformers encodes it with
  /// `is_split_into_words=True`: each word by itself. Beyond `maxLength`, tokens are dropped from the end.
  ///
  ///     let encoding = tokenizer.encode(words: ["EU", "rejects", "it"], maxLength: 128)
  ///     for case let place? in encoding.firstTokens { print(encoding.ids[place]) }
  ///
  /// Byte-level tokenizers should have been made with `addsPrefixSpace`, without which words look as if nothing stood
  /// before them.
  public func encode(words: [String], maxLength: Int? = nil) -> WordEncoding {
    let room = maxLength.map { max(0, $0 - specialTokenCount(isPair: false)) } ?? .max
    var ids: [Int32] = [], firstTokens: [Int?] = []
    for word in words {
      let start = ids.count
      ids += self.ids(of: word)
      firstTokens.append(start < ids.count ? start : nil)
    }
    let before = postProcessor.leadingCount, hasNone = firstTokens.map { $0 == nil }
    let firstBeyond = ids.count > room ? firstTokens.lastIndex { $0.map { $0 <= room } ?? false } : nil
    firstTokens = firstTokens.map { $0.flatMap { $0 < room ? $0 + before : nil } }
    return WordEncoding(
      encoding: postProcessor.process(ids.prefix(room), nil), firstTokens: firstTokens,
      tokenless: hasNone.indices.filter { hasNone[$0] },
      firstBeyond: firstBeyond, cutTokens: max(0, ids.count - room))
  }

  /// Whether words that are encoded by themselves look as they do inside a text. Not so for byte-level tokenizers that
  /// put no space before each.
  public var encodesWordsAsInText: Bool { ids(of: "a b") == ids(of: "a") + ids(of: "b") }
}

/// Words as tokens.
public struct WordEncoding: Sendable, Equatable {
  /// The tokens, special ones included.
  public let encoding: Encoding
  /// For every word the place of its first token among the ids; nil where it has none within the limit.
  public let firstTokens: [Int?]
  /// The words that became no token at all, such as control characters.
  public let tokenless: [Int]
  /// The first word of which not all tokens are there; nil where all are.
  public let firstBeyond: Int?
  /// Tokens beyond the limit.
  public let cutTokens: Int
}
