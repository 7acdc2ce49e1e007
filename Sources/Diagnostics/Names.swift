/// The candidate that a person most likely meant by `name`, or nil if none is near.
///
/// Near means a Damerau–Levenshtein distance of at most a third of the longer name (at least 1).
public func nearestName(to name: String, among candidates: some Sequence<String>) -> String? {
  // Names are shorter than this, and the time grows with the product of the lengths.
  let longest = 512
  if name.utf8.count > longest { return nil }
  let length = name.count
  var best: (name: String, distance: Int)?
  for candidate in candidates where candidate.utf8.count <= longest {
    let reach = max(1, max(length, candidate.count) / 3)
    if abs(length - candidate.count) > reach { continue }
    let distance = editDistance(name.lowercased(), candidate.lowercased())
    if distance <= reach, distance < best?.distance ?? .max { best = (candidate, distance) }
  }
  return best?.name
}

/// The number of insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
func editDistance(_ a: String, _ b: String) -> Int {
  let a = Array(a), b = Array(b)
  var twoAgo = [Int](), previous = Array(0...b.count)
  for i in 0..<a.count {
    var current = [i + 1]
    for j in 0..<b.count {
      var cost = min(previous[j + 1] + 1, current[j] + 1, previous[j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, twoAgo[j - 1] + 1) }
      current.append(cost)
    }
    (twoAgo, previous) = (previous, current)
  }
  return previous[b.count]
}

extension Collection<String> {
  /// The elements for a message, of which it names at most three: `a, b, c and 62 more`.
  public var firstThree: String {
    prefix(3).joined(separator: ", ") + (count > 3 ? " and \(count - 3) more" : "")
  }
}

extension String {
  /// The text, cut if it is too long for a message.
  public var clipped: String { utf8.count > 200 ? String(unicodeScalars.prefix(200)) + "…" : self }
}
