import Foundation

/// The four normalisation forms of Unicode 9. Later scalars do not change.
///
/// For Unicode 9 a later scalar is a starter that neither decomposes nor composes, so the parts between such scalars can
/// be normalised one by one.
enum UnicodeForm: Sendable {
  case nfc, nfd, nfkc, nfkd

  func normalize(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    if text.allSatisfy({ $0.value < firstAffected }) { return text }
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count + text.count / 4)
    var start = 0
    for index in text.indices where text[index].value >= 0x80 && !text[index].isAssigned(inUnicode: 9) {
      normalize(text[start..<index], into: &result)
      result.append(text[index])
      start = index + 1
    }
    normalize(text[start...], into: &result)
    return result
  }

  /// Scalars below this one do not change.
  private var firstAffected: UInt32 {
    switch self {
    case .nfc: 0x300
    case .nfd: 0xC0
    case .nfkc, .nfkd: 0xA0
    }
  }

  private func normalize(_ text: ArraySlice<Unicode.Scalar>, into result: inout [Unicode.Scalar]) {
    if text.allSatisfy({ $0.value < firstAffected }) {
      result.append(contentsOf: text)
      return
    }
    let string = String(scalars: text)
    // Foundation decomposes correctly but leaves some marks out of order, and it misses some compositions.
    let decomposed =
      switch self {
      case .nfc, .nfd: string.decomposedStringWithCanonicalMapping
      case .nfkc, .nfkd: string.decomposedStringWithCompatibilityMapping
      }
    var scalars = Array(decomposed.unicodeScalars)
    orderMarks(&scalars)
    result.append(contentsOf: self == .nfc || self == .nfkc ? Composition.shared.compose(scalars) : scalars)
  }
}

/// Sorts every run of marks by combining class; the sort is stable.
private func orderMarks(_ scalars: inout [Unicode.Scalar]) {
  var start = 0
  while start < scalars.count {
    var end = start
    var isOrdered = true
    while end < scalars.count, scalars[end].combiningClass > 0 {
      if end > start, scalars[end].combiningClass < scalars[end - 1].combiningClass { isOrdered = false }
      end += 1
    }
    if !isOrdered {
      let sorted = scalars[start..<end].enumerated().sorted {
        ($0.element.combiningClass, $0.offset) < ($1.element.combiningClass, $1.offset)
      }
      scalars.replaceSubrange(start..<end, with: sorted.map(\.element))
    }
    start = end + 1
  }
}

extension Unicode.Scalar {
  /// The canonical combining class: 0 for starters.
  fileprivate var combiningClass: UInt8 { value < 0x300 ? 0 : properties.canonicalCombiningClass.rawValue }
}

/// Canonical composition of Unicode 9.
private struct Composition: Sendable {
  static let shared = Composition()

  private struct Pair: Hashable {
    var first: Unicode.Scalar
    var second: Unicode.Scalar
  }

  private var composites: [Pair: Unicode.Scalar] = [:]

  /// Decomposes all candidates, in one string, and records the reverse.
  private init() {
    // These ranges hold every canonical composite of Unicode 9 but Hangul, which is computed.
    let candidates = [0xC0...0x33FF, 0x11000...0x11FFF].joined().compactMap { Unicode.Scalar(UInt32($0)) }
      .filter { $0.combiningClass == 0 && !$0.properties.isFullCompositionExclusion && $0.isAssigned(inUnicode: 9) }
    let separator: Unicode.Scalar = "\n"
    let decomposed = String(scalars: candidates.flatMap { [$0, separator] }).decomposedStringWithCanonicalMapping
    let parts = Array(decomposed.unicodeScalars).split(separator: separator)
    let pairs = zip(candidates, parts).filter { $1.count > 1 }.sorted { $0.1.count < $1.1.count }
    for (composite, parts) in pairs {
      guard let last = parts.last else { continue }
      let rest = compose(Array(parts.dropLast()))
      if rest.count == 1 { composites[Pair(first: rest[0], second: last)] = composite }
    }
  }

  /// Composes decomposed text whose marks are in canonical order.
  func compose(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var starter: Int?
    var lastClass: UInt8 = 0
    for scalar in text {
      let combiningClass = scalar.combiningClass
      if let starter, result.count - 1 == starter || lastClass < combiningClass,
        let composite = composite(result[starter], scalar)
      {
        result[starter] = composite
        continue
      }
      if combiningClass == 0 { starter = result.count }
      lastClass = combiningClass
      result.append(scalar)
    }
    return result
  }

  private func composite(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Unicode.Scalar? {
    hangul(first.value, second.value) ?? composites[Pair(first: first, second: second)]
  }

  /// Composes a leading and a vowel jamo, or such a syllable and a trailing jamo.
  private func hangul(_ first: UInt32, _ second: UInt32) -> Unicode.Scalar? {
    if (0x1100..<0x1113).contains(first), (0x1161..<0x1176).contains(second) {
      return Unicode.Scalar(0xAC00 + ((first - 0x1100) * 21 + (second - 0x1161)) * 28)
    }
    if (0xAC00..<0xD7A4).contains(first), (first - 0xAC00) % 28 == 0, (0x11A8..<0x11C3).contains(second) {
      return Unicode.Scalar(first + second - 0x11A7)
    }
    return nil
  }
}
