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
