/// The classes of scalars that tokenizers distinguish, as in the PyPI library `tokenizers`.
///
/// That library mixes versions of Unicode: 8 for BERT, 9 for normalisation, 16 for regular expressions. Scalars that a
/// version does not have yet count as unassigned; the few whose category has changed since are listed. Compared with
/// `tokenizers` 0.23 over all scalars (`scripts/golden/tokenizers.py`).
extension Unicode.Scalar {
  /// Whether Unicode `major`.0 assigns the scalar; private use counts as assigned.
  func isAssigned(inUnicode major: Int) -> Bool {
    guard let age = properties.age else { return properties.generalCategory == .privateUse }
    return age.major < major || (age.major == major && age.minor == 0)
  }

  /// Rust's `char::is_whitespace`, and `\s` of the regular expressions.
  var isSpace: Bool { value < 0x80 ? value == 0x20 || (0x09...0x0D).contains(value) : properties.isWhitespace }

  /// What BERT's clean-up removes: controls, formats and private use, but not tabs and line ends.
  var isBertControl: Bool {
    if value < 0x80 { return value < 0x20 ? value != 0x09 && value != 0x0A && value != 0x0D : value == 0x7F }
    switch properties.generalCategory {
    case .control, .privateUse: return true
    case .format: return isAssigned(inUnicode: 8)
    default: return false
    }
  }

  /// What BERT makes words of their own: ASCII symbols and all punctuation.
  var isBertPunctuation: Bool {
    if value < 0x80 {
      return (0x21...0x2F).contains(value) || (0x3A...0x40).contains(value) || (0x5B...0x60).contains(value)
        || (0x7B...0x7E).contains(value)
    }
    switch properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
      .finalPunctuation, .otherPunctuation:
      return isAssigned(inUnicode: 8)
    default: return value == 0x166D || value == 0x111C9
    }
  }

  /// What BERT's accent stripping removes: nonspacing marks.
  var isBertAccent: Bool {
    guard value >= 0x300 else { return false }
    switch value {
    case 0x1734, 0x1171E: return true
    case 0x1885, 0x1886, 0xA9BD, 0x111C9: return false
    default: return properties.generalCategory == .nonspacingMark && isAssigned(inUnicode: 8)
    }
  }

  /// What the StripAccents normalizer removes: all marks.
  var isCombiningMark: Bool {
    guard value >= 0x300 else { return false }
    switch value {
    case 0x1CF2, 0x1CF3: return true
    case 0x111C9: return false
    default: return isMark && isAssigned(inUnicode: 9)
    }
  }

  /// The ideographs that BERT puts spaces around.
  var isBertIdeograph: Bool {
    switch value {
    case 0..<0x3400: false
    case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2A6DF, 0x2A700...0x2B81F, 0x2B920...0x2CEAF,
      0x2F800...0x2FA1F:
      true
    default: false
    }
  }

  /// `\p{L}`.
  var isLetter: Bool {
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      isAssigned(inUnicode: 16)
    default: false
    }
  }

  /// `\p{N}`.
  var isNumber: Bool {
    switch properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: isAssigned(inUnicode: 16)
    default: false
    }
  }

  /// Rust's `char::is_numeric`, of version 17.
  var isNumeric: Bool {
    if value < 0x80 { return (0x30...0x39).contains(value) }
    switch properties.generalCategory {
    case .decimalNumber, .letterNumber, .otherNumber: return true
    default: return (0x11DE0...0x11DE9).contains(value)
    }
  }

  /// `\w`: alphabetic, marks, decimal digits, connectors, joiners.
  var isWordScalar: Bool {
    let category = properties.generalCategory
    let isWord =
      properties.isAlphabetic || isMark || category == .decimalNumber || category == .connectorPunctuation
      || properties.isJoinControl
    return isWord && isAssigned(inUnicode: 16)
  }

  private var isMark: Bool {
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark: true
    default: false
    }
  }
}

/// The kinds of scalars that the patterns of pre-tokenizers distinguish.
enum ScalarKind: UInt8, Sendable {
  case other, letter, number, space

  init(_ scalar: Unicode.Scalar) {
    if scalar.value < 0x80 {
      self = Self.ascii(UInt8(scalar.value))
    } else if scalar.value < 0x10000 {
      self = Self.basicPlane[Int(scalar.value)]
    } else {
      self = Self.lookedUp(scalar)
    }
  }

  private static func ascii(_ byte: UInt8) -> ScalarKind {
    switch byte {
    case 0x61...0x7A, 0x41...0x5A: .letter
    case 0x30...0x39: .number
    case 0x20, 0x09...0x0D: .space
    default: .other
    }
  }

  private static func lookedUp(_ scalar: Unicode.Scalar) -> ScalarKind {
    scalar.isLetter ? .letter : scalar.isNumber ? .number : scalar.isSpace ? .space : .other
  }

  /// The kind of every scalar below U+10000, since properties are slow to look up.
  private static let basicPlane: [ScalarKind] = (0..<0x10000).map { value in
    Unicode.Scalar(UInt16(value)).map(lookedUp) ?? .other
  }
}
