/// GPT-2's pre-tokenizer: splits words by a pattern and writes each UTF-8 byte as one printable scalar.
struct ByteLevel: Sendable {
  /// Put a space before each text that does not begin with one.
  var addsPrefixSpace: Bool
  /// Split words by the pattern.
  var splitsWords: Bool

  func apply(to words: inout Words) {
    if addsPrefixSpace {
      words.rewrite { word, result in
        if word.first != " " { result.append(" ") }
        result.append(contentsOf: word)
      }
    }
    if splitsWords { words.cut { WordPattern.gpt2.end(in: $0, from: $1) } }
    words.rewrite { word, result in
      for scalar in word {
        if scalar.value < 0x80 {
          result.append(Self.alphabet[Int(scalar.value)])
        } else {
          for byte in UTF8.encode(scalar) ?? UTF8.EncodedScalar() { result.append(Self.alphabet[Int(byte)]) }
        }
      }
    }
  }

  /// The scalar of each byte: the byte itself if it is printable, otherwise one from U+0100 on.
  static let alphabet: [Unicode.Scalar] = {
    var scalars: [Unicode.Scalar] = []
    var next: UInt16 = 0x100
    for byte in UInt8.min...UInt8.max {
      let isPrintable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
      scalars.append(isPrintable ? Unicode.Scalar(byte) : Unicode.Scalar(next) ?? " ")
      if !isPrintable { next += 1 }
    }
    return scalars
  }()

  /// The byte of a scalar, or nil.
  static func byte(of scalar: Unicode.Scalar) -> UInt8? {
    scalar.value < bytes.count ? bytes[Int(scalar.value)] : nil
  }

  private static let bytes: [UInt8?] = {
    var bytes = [UInt8?](repeating: nil, count: 0x180)
    for (byte, scalar) in alphabet.enumerated() { bytes[Int(scalar.value)] = UInt8(byte) }
    return bytes
  }()
}
