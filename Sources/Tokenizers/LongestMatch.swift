/// Finds the longest of many strings at a position of a text, in time that does not depend on how many there are.
struct LongestMatch: Sendable {
  /// Sorted, so that those with a common beginning are neighbours and the shortest of them comes first.
  private let strings: [(scalars: [Unicode.Scalar], index: Int)]
  // The least and the greatest first scalar, to pass over most text without a search.
  private let least: UInt32
  private let greatest: UInt32

  /// Of strings that are equal the first is found; empty ones never are.
  init(_ strings: [[Unicode.Scalar]]) {
    self.strings = strings.enumerated().filter { !$1.isEmpty }.map { (scalars: $1, index: $0) }.sorted { one, other in
      one.scalars == other.scalars ? one.index < other.index : one.scalars.lexicographicallyPrecedes(other.scalars)
    }
    least = self.strings.first?.scalars[0].value ?? .max
    greatest = self.strings.last?.scalars[0].value ?? 0
  }

  /// Whether nothing can be found.
  var isEmpty: Bool { strings.isEmpty }

  /// The number and the length of the longest string that `text` has at `position`.
  func find(in text: [Unicode.Scalar], at position: Int) -> (index: Int, count: Int)? {
    guard (least...max(least, greatest)).contains(text[position].value) else { return nil }
    var found: (index: Int, count: Int)?
    var candidates = strings.startIndex..<strings.endIndex
    for depth in 0..<(text.count - position) {
      let scalar = text[position + depth]
      // All candidates agree in what lies before `depth`; one that ends there is the first of them.
      let start = partition(candidates) { $0.count > depth && $0[depth] >= scalar }
      candidates = start..<partition(start..<candidates.upperBound) { $0.count > depth && $0[depth] > scalar }
      guard let first = candidates.first else { break }
      if strings[first].scalars.count == depth + 1 { found = (strings[first].index, depth + 1) }
    }
    return found
  }

  /// The first of `range` for which `condition` holds, as it does for all that follow it.
  private func partition(_ range: Range<Int>, _ condition: ([Unicode.Scalar]) -> Bool) -> Int {
    var (low, high) = (range.lowerBound, range.upperBound)
    while low < high {
      let middle = (low + high) / 2
      if condition(strings[middle].scalars) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
