import Foundation

/// A number in a template, as Python writes them: `1_000`, `0x1f`, `1.5e-3`.
struct NumberLiteral {
  private let digits: String
  private let radix: Int
  private let isFloat: Bool
  /// The number of characters.
  let count: Int

  /// The longest number that `text` starts with; it starts with a digit.
  init(_ text: ArraySlice<Unicode.Scalar>) {
    let text = Array(text.prefix(400))
    func digits(from start: Int, _ isDigit: (Unicode.Scalar) -> Bool) -> Int {
      var end = start
      while end < text.count, isDigit(text[end]) || (text[end] == "_" && end > start) { end += 1 }
      while end > start, text[end - 1] == "_" { end -= 1 }
      return end
    }
    func isIn(_ place: Int, _ scalars: String) -> Bool {
      place < text.count && scalars.unicodeScalars.contains(text[place])
    }
    func string(_ range: Range<Int>) -> String {
      String(String.UnicodeScalarView(text[range].filter { $0 != "_" }))
    }
    let whole = digits(from: 0, \.isDigit)
    var end = whole
    if isIn(end, "."), end + 1 < text.count, text[end + 1].isDigit { end = digits(from: end + 1, \.isDigit) }
    if isIn(end, "eE") {
      let first = isIn(end + 1, "+-") ? end + 2 : end + 1
      let last = digits(from: first, \.isDigit)
      if last > first { end = last }
    }
    if end > whole {
      (self.digits, radix, isFloat, count) = (string(0..<end), 10, true, end)
      return
    }
    isFloat = false
    for (letters, radix, allowed) in [
      ("bB", 2, "01"), ("oO", 8, "01234567"), ("xX", 16, "0123456789abcdefABCDEF"),
    ] where text[0] == "0" && isIn(1, letters) {
      let first = isIn(2, "_") ? 3 : 2
      let last = digits(from: first) { allowed.unicodeScalars.contains($0) }
      if last > first {
        (self.digits, self.radix, count) = (string(first..<last), radix, last)
        return
      }
    }
    // A number other than 0 does not begin with 0.
    let last = text[0] == "0" ? digits(from: 0) { $0 == "0" } : whole
    (self.digits, radix, count) = (string(0..<last), 10, last)
  }

  /// The token.
  func kind() throws -> Token.Kind {
    if isFloat {
      guard let value = Double(digits), value.isFinite else {
        throw JinjaFailure("the number \(digits) is too large", kind: .syntax)
      }
      return .float(value)
    }
    guard let value = Int(digits, radix: radix) else {
      throw JinjaFailure("the number \(digits) is too large", kind: .syntax)
    }
    return .integer(value)
  }
}

/// The text of a string in a template.
enum StringLiteral {
  /// What stands between the quotes, with its escapes resolved as in Python.
  static func value(_ scalars: [Unicode.Scalar]) throws -> String {
    var value = String.UnicodeScalarView()
    var position = 0
    while position < scalars.count {
      let scalar = scalars[position]
      position += 1
      guard scalar == "\\" else {
        value.append(scalar)
        continue
      }
      guard position < scalars.count else { throw JinjaFailure("\\ at end of string", kind: .syntax) }
      let letter = scalars[position]
      position += 1
      switch letter {
      case "\n": break
      case "\\", "'", "\"": value.append(letter)
      case "a": value.append("\u{7}")
      case "b": value.append("\u{8}")
      case "f": value.append("\u{C}")
      case "n": value.append("\n")
      case "r": value.append("\r")
      case "t": value.append("\t")
      case "v": value.append("\u{B}")
      case "x": value.append(try coded(scalars, &position, letter, digits: 2))
      case "u": value.append(try coded(scalars, &position, letter, digits: 4))
      case "U": value.append(try coded(scalars, &position, letter, digits: 8))
      case "0"..."7":
        var code = letter.value - 48
        var count = 1
        while count < 3, position < scalars.count, "0"..."7" ~= scalars[position] {
          code = code * 8 + scalars[position].value - 48
          position += 1
          count += 1
        }
        if let scalar = Unicode.Scalar(code) { value.append(scalar) }
      case "N":
        throw JinjaFailure("\\N{…}, a character by its name, is not available in a string", kind: .syntax)
      default:
        value.append("\\")
        value.append(letter)
      }
    }
    return String(value)
  }

  private static func coded(
    _ scalars: [Unicode.Scalar], _ position: inout Int, _ letter: Unicode.Scalar, digits: Int
  ) throws -> Unicode.Scalar {
    // As Python writes the form.
    let form = "\\\(letter)" + String(repeating: "X", count: digits)
    var code: UInt32 = 0
    for _ in 0..<digits {
      guard position < scalars.count, scalars[position].isASCII,
        let digit = Character(scalars[position]).hexDigitValue
      else { throw JinjaFailure("truncated \(form) escape", kind: .syntax) }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    guard let scalar = Unicode.Scalar(code) else {
      throw JinjaFailure("half of a surrogate pair, or no character, in a string: \(form)", kind: .syntax)
    }
    return scalar
  }
}
