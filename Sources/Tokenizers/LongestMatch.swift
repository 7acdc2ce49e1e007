import Algorithms

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

  /// Whether there are no strings.
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
