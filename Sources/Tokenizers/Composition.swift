import Foundation

extension Unicode.Scalar {
  /// The canonical combining class: 0 for starters.
  var combiningClass: UInt8 { value < 0x300 ? 0 : properties.canonicalCombiningClass.rawValue }
}

/// Canonical composition of Unicode 9.
struct Composition: Sendable {
  /// Built once.
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
