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

  private struct Pattern: Sendable {
    var token: AddedToken
    var scalars: [Unicode.Scalar]
  }

  /// Patterns by their first scalar; of patterns that are equal the first holds.
  private struct Patterns: Sendable {
    var byFirst: [Unicode.Scalar: [Pattern]] = [:]
    /// The least and the greatest first scalar, to pass over most text without a look-up.
    var least: UInt32 = .max
    var greatest: UInt32 = 0

    mutating func append(_ pattern: Pattern) {
      guard let first = pattern.scalars.first else { return }
      byFirst[first, default: []].append(pattern)
      least = min(least, first.value)
      greatest = max(greatest, first.value)
    }

    /// The longest pattern at `position`.
    func match(in text: [Unicode.Scalar], at position: Int) -> Pattern? {
      let first = text[position]
      guard first.value >= least, first.value <= greatest, let candidates = byFirst[first] else { return nil }
      var best: Pattern?
      for pattern in candidates
      where pattern.scalars.count > best?.scalars.count ?? 0 && text[position...].starts(with: pattern.scalars) {
        best = pattern
      }
      return best
    }
  }

  let tokens: [AddedToken]
  private var verbatim = Patterns()
  private var normalized = Patterns()

  init(_ tokens: [AddedToken], normalizer: Normalizer?) {
    self.tokens = tokens
    for token in tokens.filter(\.isSpecial) + tokens.filter({ !$0.isSpecial }) {
      var scalars = Array(token.content.unicodeScalars)
      // SentencePiece's symbols are spelt as in normalised text.
      if token.isNormalized, let normalizer, !normalizer.isSentencePiece { scalars = normalizer.normalize(scalars) }
      let pattern = Pattern(token: token, scalars: scalars)
      if token.isNormalized { normalized.append(pattern) } else { verbatim.append(pattern) }
    }
  }

  /// The tokens that are matched in the text as given, and the text between them.
  func splitVerbatim(_ text: [Unicode.Scalar]) -> [Piece] { split(text, verbatim) }

  /// The tokens that are matched in the normalised text, and the text between them.
  func splitNormalized(_ text: [Unicode.Scalar]) -> [Piece] { split(text, normalized) }

  private func split(_ text: [Unicode.Scalar], _ patterns: Patterns) -> [Piece] {
    if text.isEmpty { return [] }
    if patterns.byFirst.isEmpty { return [.text(text[...])] }
    var pieces: [Piece] = []
    // What the matches so far cover reaches to `covered`; the search goes on at `position`, which may lie before it.
    var covered = 0
    var position = 0
    while position < text.count {
      guard let match = patterns.match(in: text, at: position) else {
        position += 1
        continue
      }
      let token = match.token
      var start = position
      var end = position + match.scalars.count
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
