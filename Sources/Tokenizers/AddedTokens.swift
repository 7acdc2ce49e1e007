import Algorithms

/// A token that is searched for in the text before the model splits it.
struct AddedToken: Sendable {
  var content: String
  var id: Int32
  var isSpecial = true
  /// Search the normalised text instead of the original.
  var isNormalized = false
  var isSingleWord = false
  /// The match includes the white space on its left.
  var stripsLeft = false
  /// The match includes the white space on its right.
  var stripsRight = false
}

/// Finds added tokens in texts. If two are spelled alike, the first wins.
struct AddedTokens: Sendable {
  /// A part of a text: an added token, or what lies between two.
  enum Piece: Equatable {
    case text(ArraySlice<Unicode.Scalar>)
    /// A token, and the part of the text that it stands for, white space around it included.
    case token(Int32, Range<Int>)
  }

  private let tokens: [AddedToken]
  private let search: LongestMatch

  init(_ tokens: [AddedToken], spelling: (String) -> [Unicode.Scalar]) {
    self.tokens = tokens
    search = LongestMatch(tokens.map { spelling($0.content) })
  }

  func split(_ text: [Unicode.Scalar]) -> [Piece] {
    if text.isEmpty { return [] }
    if search.isEmpty { return [.text(text[...])] }
    var pieces: [Piece] = []
    // The matches so far, white space included, end at `covered`; the search may resume before it.
    var covered = 0
    var position = 0
    while position < text.count {
      guard let match = search.find(in: text, at: position) else {
        position += 1
        continue
      }
      let token = tokens[match.index]
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
      pieces.append(.token(token.id, start..<end))
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
    self.strings = strings.enumerated().filter { !$1.isEmpty }.map { (scalars: $1, index: $0) }
      .sorted { $0.scalars.lexicographicallyPrecedes($1.scalars) }
    least = self.strings.first?.scalars[0].value ?? .max
    greatest = self.strings.last?.scalars[0].value ?? 0
  }

  var isEmpty: Bool { strings.isEmpty }

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
