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
