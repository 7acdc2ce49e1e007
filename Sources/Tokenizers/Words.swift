/// The words of a text in pre-tokenization: ranges of its scalars.
///
/// One array holds the whole text, so a step that only splits words copies no scalars.
struct Words: Sendable {
  var scalars: [Unicode.Scalar]
  /// The words from left to right; not empty, not overlapping.
  var ranges: [Range<Int>]

  /// `text` as one word.
  init(_ text: [Unicode.Scalar]) {
    scalars = text
    ranges = text.isEmpty ? [] : [0..<text.count]
  }

  /// Splits every word. `end` returns the end of the piece that begins at `start`, which must be beyond `start`.
  mutating func cut(end: (_ word: ArraySlice<Unicode.Scalar>, _ start: Int) -> Int) {
    var pieces: [Range<Int>] = []
    pieces.reserveCapacity(max(ranges.count, scalars.count / 4))
    for range in ranges {
      let word = scalars[range]
      var start = range.lowerBound
      while start < range.upperBound {
        let next = end(word, start)
        pieces.append(start..<next)
        start = next
      }
    }
    ranges = pieces
  }

  /// Replaces every word by the pieces that `pieces` appends.
  mutating func replaceRanges(_ pieces: (_ word: ArraySlice<Unicode.Scalar>, inout [Range<Int>]) -> Void) {
    var result: [Range<Int>] = []
    for range in ranges { pieces(scalars[range], &result) }
    ranges = result
  }

  /// Rewrites every word: `write` appends its replacement.
  mutating func rewrite(_ write: (ArraySlice<Unicode.Scalar>, inout [Unicode.Scalar]) -> Void) {
    var rewritten: [Unicode.Scalar] = []
    rewritten.reserveCapacity(scalars.count + scalars.count / 8)
    var kept: [Range<Int>] = []
    kept.reserveCapacity(ranges.count)
    for range in ranges {
      let start = rewritten.count
      write(scalars[range], &rewritten)
      if start < rewritten.count { kept.append(start..<rewritten.count) }
    }
    (scalars, ranges) = (rewritten, kept)
  }
}
