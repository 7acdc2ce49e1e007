/// GPT-2's pre-tokenizer: words found by a pattern, each written as one printable scalar per byte of its UTF-8.
struct ByteLevel: Sendable {
  /// Put a space before a text that does not begin with one.
  var addsPrefixSpace: Bool
  /// Split by the pattern; otherwise the text is one word.
  var splitsWords: Bool

  func words(in text: ArraySlice<Unicode.Scalar>) -> [ArraySlice<Unicode.Scalar>] {
    if text.isEmpty { return [] }
    var text = text
    if addsPrefixSpace, text.first != " " { text = ([" "] + text)[...] }
    var bytes: [Unicode.Scalar] = []
    bytes.reserveCapacity(text.count + text.count / 8)
    var ends: [Int] = []
    var position = text.startIndex
    while position < text.endIndex {
      let end = splitsWords ? Self.endOfWord(in: text, from: position) : text.endIndex
      for scalar in text[position..<end] {
        for byte in UTF8.encode(scalar) ?? UTF8.EncodedScalar() { bytes.append(Self.alphabet[Int(byte)]) }
      }
      ends.append(bytes.count)
      position = end
    }
    var start = 0
    return ends.map { end in
      defer { start = end }
      return bytes[start..<end]
    }
  }

  /// The scalar that stands for each byte: itself where it is printable, else one from U+0100 on.
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

  /// The end of the match of
  /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+` at `start`.
  static func endOfWord(in text: ArraySlice<Unicode.Scalar>, from start: Int) -> Int {
    if text[start] == "'", let end = endOfContraction(in: text, from: start) { return end }
    let first = text[start] == " " && start + 1 < text.endIndex ? start + 1 : start
    let kind = Kind(text[first])
    if kind != .space {
      var end = first + 1
      while end < text.endIndex, Kind(text[end]) == kind { end += 1 }
      return end
    }
    var end = start + 1
    while end < text.endIndex, Kind(text[end]) == .space { end += 1 }
    // All spaces but the last, which goes with the word that follows; alone it is a word.
    return end == text.endIndex || end == start + 1 ? end : end - 1
  }

  private static func endOfContraction(in text: ArraySlice<Unicode.Scalar>, from start: Int) -> Int? {
    guard start + 1 < text.endIndex else { return nil }
    switch text[start + 1] {
    case "s", "t", "m", "d": return start + 2
    case "r", "v": return start + 2 < text.endIndex && text[start + 2] == "e" ? start + 3 : nil
    case "l": return start + 2 < text.endIndex && text[start + 2] == "l" ? start + 3 : nil
    default: return nil
    }
  }

  private enum Kind {
    case letter, number, space, other

    init(_ scalar: Unicode.Scalar) {
      switch scalar.value {
      case 0x61...0x7A, 0x41...0x5A: self = .letter
      case 0x30...0x39: self = .number
      case 0x20, 0x09...0x0D: self = .space
      case 0..<0x80: self = .other
      default:
        self = scalar.isLetter ? .letter : scalar.isNumber ? .number : scalar.isSpace ? .space : .other
      }
    }
  }
}
