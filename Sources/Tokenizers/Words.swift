/// A text on its way through the pre-tokenizers: its scalars, and the stretches of them that are its words.
///
/// One array for the whole text: a step that only cuts leaves the scalars alone.
struct Words: Sendable {
  var scalars: [Unicode.Scalar]
  /// The words from left to right; none is empty, and none overlap.
  var ranges: [Range<Int>]

  /// All of `text` as one word.
  init(_ text: [Unicode.Scalar]) {
    scalars = text
    ranges = text.isEmpty ? [] : [0..<text.count]
  }

  /// Cuts every word: `end` gives the end of the piece that begins at a position of a word, beyond that position.
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

  /// Replaces every word by what `pieces` makes of it.
  mutating func replaceRanges(_ pieces: (_ word: ArraySlice<Unicode.Scalar>, inout [Range<Int>]) -> Void) {
    var result: [Range<Int>] = []
    for range in ranges { pieces(scalars[range], &result) }
    ranges = result
  }

  /// Rewrites every word: `write` appends what stands for it.
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
