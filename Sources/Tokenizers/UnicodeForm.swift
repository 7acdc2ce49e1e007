import Foundation

/// The four normalisation forms, as of Unicode 9: younger scalars stay as they are.
///
/// To Unicode 9 a younger scalar is a starter that neither decomposes nor composes, so the stretches between such
/// scalars can be normalised one by one.
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

  /// Text below this scalar is in the form already.
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
    let normalized =
      switch self {
      case .nfc: string.precomposedStringWithCanonicalMapping
      case .nfd: string.decomposedStringWithCanonicalMapping
      case .nfkc: string.precomposedStringWithCompatibilityMapping
      case .nfkd: string.decomposedStringWithCompatibilityMapping
      }
    result.append(contentsOf: normalized.unicodeScalars)
  }
}
