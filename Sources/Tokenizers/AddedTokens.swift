import Algorithms

/// A token that is searched for in the text before the model splits it.
struct AddedToken: Sendable {
  var content: String
  var id: Int32
  var isSpecial = true
  /// Search the normalised text instead of the original.
  var isNormalized = false
  /// Match whole words only.
  var isSingleWord = false
  /// The match includes the white space on its left.
  var stripsLeft = false
  /// The match includes the white space on its right.
  var stripsRight = false
}

/// Finds the added tokens of a tokenizer in texts.
struct AddedTokens: Sendable {
  /// A part of a text: an added token, or what lies between two.
  enum Piece: Equatable {
    case text(ArraySlice<Unicode.Scalar>)
    case token(Int32)
  }

  /// Tokens with the search for their spellings. If two are spelled alike, the first wins.
  private struct Patterns: Sendable {
    let tokens: [AddedToken]
    let search: LongestMatch

    init(_ tokens: [AddedToken], spelling: (AddedToken) -> [Unicode.Scalar]) {
      self.tokens = tokens
      search = LongestMatch(tokens.map(spelling))
    }
  }

  private let verbatim: Patterns
  private let normalized: Patterns

  init(_ tokens: [AddedToken], normalizer: Normalizer?) {
    let ordered = tokens.filter(\.isSpecial) + tokens.filter { !$0.isSpecial }
    verbatim = Patterns(ordered.filter { !$0.isNormalized }) { Array($0.content.unicodeScalars) }
    normalized = Patterns(ordered.filter(\.isNormalized)) { token in
      let scalars = Array(token.content.unicodeScalars)
      // SentencePiece's symbols are already spelled as in normalised text.
      guard let normalizer, !normalizer.isSentencePiece else { return scalars }
      return normalizer.normalize(scalars)
    }
  }

  /// Splits the original text at the tokens that are searched for there.
  func splitVerbatim(_ text: [Unicode.Scalar]) -> [Piece] { split(text, verbatim) }

  /// Splits normalised text at the tokens that are searched for there.
  func splitNormalized(_ text: [Unicode.Scalar]) -> [Piece] { split(text, normalized) }

  private func split(_ text: [Unicode.Scalar], _ patterns: Patterns) -> [Piece] {
    if text.isEmpty { return [] }
    if patterns.search.isEmpty { return [.text(text[...])] }
    var pieces: [Piece] = []
    // The matches so far, white space included, end at `covered`; the search may resume before it.
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
        // An earlier match may have included white space beyond this one.
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

/// Finds the longest of many strings at a position of a text, by binary search.
struct LongestMatch: Sendable {
  /// Sorted: strings with a common prefix are neighbours, the shortest first.
  private let strings: [(scalars: [Unicode.Scalar], index: Int)]
  // The range of first scalars, which rules out most positions without a search.
  private let least: UInt32
  private let greatest: UInt32

  /// If strings are equal, the first one is found; empty ones never are.
  init(_ strings: [[Unicode.Scalar]]) {
    self.strings = strings.enumerated().filter { !$1.isEmpty }.map { (scalars: $1, index: $0) }.sorted { one, other in
      one.scalars == other.scalars ? one.index < other.index : one.scalars.lexicographicallyPrecedes(other.scalars)
    }
    least = self.strings.first?.scalars[0].value ?? .max
    greatest = self.strings.last?.scalars[0].value ?? 0
  }

  var isEmpty: Bool { strings.isEmpty }

  /// The index and the length of the longest string that `text` has at `position`.
  func find(in text: [Unicode.Scalar], at position: Int) -> (index: Int, count: Int)? {
    guard (least...max(least, greatest)).contains(text[position].value) else { return nil }
    var found: (index: Int, count: Int)?
    var candidates = strings.startIndex..<strings.endIndex
    for depth in 0..<(text.count - position) {
      let scalar = text[position + depth]
      // All candidates agree up to `depth`; one that ends there comes first.
      let start = candidates.partitioningIndex {
        strings[$0].scalars.count > depth && strings[$0].scalars[depth] >= scalar
      }
      candidates =
        start..<candidates.partitioningIndex {
          strings[$0].scalars.count > depth && strings[$0].scalars[depth] > scalar
        }
      guard let first = candidates.first else { break }
      if strings[first].scalars.count == depth + 1 { found = (strings[first].index, depth + 1) }
    }
    return found
  }
}
