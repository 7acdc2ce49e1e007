/// A token found in the text itself, before the model sees it.
struct AddedToken: Sendable {
  var content: String
  var id: Int32
  var isSpecial = true
  /// Match against the normalised text rather than the text as given.
  var isNormalized = false
  /// Match only where neither neighbour belongs to a word.
  var isSingleWord = false
  /// Take the white space on the left along.
  var stripsLeft = false
  /// Take the white space on the right along.
  var stripsRight = false
}

/// The added tokens of a tokenizer, and the search for them.
struct AddedTokens: Sendable {
  /// A stretch of text, or the token found there.
  enum Piece: Equatable {
    case text(ArraySlice<Unicode.Scalar>)
    case token(Int32)
  }

  /// Tokens, and the search for what is written for them; of tokens that are written alike the first holds.
  private struct Patterns: Sendable {
    let tokens: [AddedToken]
    let search: LongestMatch

    init(_ tokens: [AddedToken], spelling: (AddedToken) -> [Unicode.Scalar]) {
      self.tokens = tokens
      search = LongestMatch(tokens.map(spelling))
    }
  }

  let tokens: [AddedToken]
  private let verbatim: Patterns
  private let normalized: Patterns

  init(_ tokens: [AddedToken], normalizer: Normalizer?) {
    self.tokens = tokens
    let ordered = tokens.filter(\.isSpecial) + tokens.filter { !$0.isSpecial }
    verbatim = Patterns(ordered.filter { !$0.isNormalized }) { Array($0.content.unicodeScalars) }
    normalized = Patterns(ordered.filter(\.isNormalized)) { token in
      let scalars = Array(token.content.unicodeScalars)
      // SentencePiece's symbols are spelt as in normalised text.
      guard let normalizer, !normalizer.isSentencePiece else { return scalars }
      return normalizer.normalize(scalars)
    }
  }

  /// The tokens that are matched in the text as given, and the text between them.
  func splitVerbatim(_ text: [Unicode.Scalar]) -> [Piece] { split(text, verbatim) }

  /// The tokens that are matched in the normalised text, and the text between them.
  func splitNormalized(_ text: [Unicode.Scalar]) -> [Piece] { split(text, normalized) }

  private func split(_ text: [Unicode.Scalar], _ patterns: Patterns) -> [Piece] {
    if text.isEmpty { return [] }
    if patterns.search.isEmpty { return [.text(text[...])] }
    var pieces: [Piece] = []
    // What the matches so far cover reaches to `covered`; the search goes on at `position`, which may lie before it.
    var covered = 0
    var position = 0
    while position < text.count {
      guard let match = patterns.search.find(in: text, at: position) else {
        position += 1
        continue
      }
      let token = patterns.tokens[match.index]
      var start = position
      var end = position + match.count
      position = end
      if token.isSingleWord {
        let touchesLeft = start > 0 && text[start - 1].isWordScalar
        let touchesRight = end < text.count && text[end].isWordScalar
        if touchesLeft || touchesRight { continue }
      }
      if token.stripsLeft {
        while start > covered, text[start - 1].isSpace { start -= 1 }
        start = max(start, covered)
      }
      if token.stripsRight {
        // What is covered beyond this match is white space that an earlier one took along.
        end = max(end, covered)
        while end < text.count, text[end].isSpace { end += 1 }
      }
      if covered < start { pieces.append(.text(text[covered..<start])) }
      pieces.append(.token(token.id))
      covered = end
    }
    if covered < text.count { pieces.append(.text(text[covered...])) }
    return pieces
  }
}
