import Diagnostics

/// Why a text is not JSON.
public struct JSONSyntaxError: UserFacingError, Equatable {
  /// The file's path, or another name of the text.
  public let file: String
  /// 1-based.
  public let line: Int
  /// 1-based, in bytes.
  public let column: Int
  /// What is wrong.
  public let problem: String

  /// `file:line:column: problem`.
  public var description: String { "\(file):\(line):\(column): \(problem)" }
  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}

/// Extensions of RFC 8259 that a parser accepts.
public struct JSONDialect: OptionSet, Sendable {
  /// The flags.
  public let rawValue: Int
  /// A set of flags.
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// `//` and `/* */` comments.
  public static let comments = JSONDialect(rawValue: 1)
  /// A comma before `]` or `}`.
  public static let trailingCommas = JSONDialect(rawValue: 2)
  /// For files written by hand: comments and trailing commas.
  public static let config: JSONDialect = [.comments, .trailingCommas]
}

/// A strict JSON parser: UTF-8 only, no duplicate keys, limited depth. Every value has its line.
///
///     let config = try JSONParser.parse(bytes, file: "run.json", dialect: .config)
public struct JSONParser {
  /// The deepest nesting, so that hostile input cannot exhaust the stack.
  public static let maximumDepth = 128

  /// Parses all of `bytes`. `file` names the text in errors. A UTF-8 byte order mark is skipped.
  public static func parse(_ bytes: [UInt8], file: String, dialect: JSONDialect = []) throws -> JSONNode {
    try bytes.withUnsafeBufferPointer { buffer in
      var scanner = Scanner(bytes: buffer, file: file, dialect: dialect)
      return try scanner.document()
    }
  }

  /// Parses all of `text`.
  public static func parse(_ text: String, file: String = "text", dialect: JSONDialect = []) throws -> JSONNode {
    try parse(Array(text.utf8), file: file, dialect: dialect)
  }
}

private struct Scanner {
  let bytes: UnsafeBufferPointer<UInt8>
  let file: String
  let dialect: JSONDialect
  var position = 0, line = 1, lineStart = 0

  mutating func document() throws -> JSONNode {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    try skipSpace()
    let node = try value(depth: 0)
    try skipSpace()
    if position < bytes.count { throw failure("unexpected text after the end of the value") }
    return node
  }

  private mutating func value(depth: Int) throws -> JSONNode {
    guard depth < JSONParser.maximumDepth else { throw failure("nested deeper than \(JSONParser.maximumDepth) levels") }
    guard let byte = peek else { throw failure("unexpected end of the text, a value is missing") }
    let line = line
    switch byte {
    case UInt8(ascii: "{"): return JSONNode(.object(try object(depth: depth)), line: line)
    case UInt8(ascii: "["): return JSONNode(.array(try array(depth: depth)), line: line)
    case UInt8(ascii: "\""): return JSONNode(.string(try string()), line: line)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return JSONNode(try number(), line: line)
    default:
      for (word, value) in [("null", JSONValue.null), ("true", .bool(true)), ("false", .bool(false))]
      where bytes[position...].starts(with: word.utf8) {
        position += word.utf8.count
        return JSONNode(value, line: line)
      }
      throw failure("expected a value")
    }
  }

  private mutating func object(depth: Int) throws -> JSONObject {
    var object = JSONObject()
    position += 1
    try skipSpace()
    while peek != UInt8(ascii: "}") {
      guard peek == UInt8(ascii: "\"") else { throw failure("expected a key in double quotes, or }") }
      let keyPosition = position
      let key = try string()
      if object[key] != nil {
        position = keyPosition
        throw failure("the key \"\(key.prefix(200))\" occurs twice")
      }
      try skipSpace()
      guard peek == UInt8(ascii: ":") else { throw failure("expected : after the key \"\(key.prefix(200))\"") }
      position += 1
      try skipSpace()
      object[key] = try value(depth: depth + 1)
      try separator(closing: UInt8(ascii: "}"))
    }
    position += 1
    return object
  }

  private mutating func array(depth: Int) throws -> [JSONNode] {
    var array: [JSONNode] = []
    position += 1
    try skipSpace()
    while peek != UInt8(ascii: "]") {
      array.append(try value(depth: depth + 1))
      try separator(closing: UInt8(ascii: "]"))
    }
    position += 1
    return array
  }

  /// Skips the comma between two members; stops before the closing bracket.
  private mutating func separator(closing: UInt8) throws {
    try skipSpace()
    if peek == closing { return }
    guard peek == UInt8(ascii: ",") else { throw failure("expected , or \(Character(UnicodeScalar(closing)))") }
    position += 1
    try skipSpace()
    if peek == closing, !dialect.contains(.trailingCommas) { throw failure("a comma before the closing bracket") }
  }

  private mutating func number() throws -> JSONValue {
    let start = position
    var isInteger = true
    if peek == UInt8(ascii: "-") { position += 1 }
    let firstDigit = peek
    let digits = skipDigits()
    if digits == 0 || (digits > 1 && firstDigit == UInt8(ascii: "0")) { throw failure("malformed number") }
    if peek == UInt8(ascii: ".") {
      isInteger = false
      position += 1
      if skipDigits() == 0 { throw failure("malformed number") }
    }
    if peek == UInt8(ascii: "e") || peek == UInt8(ascii: "E") {
      isInteger = false
      position += 1
      if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
      if skipDigits() == 0 { throw failure("malformed number") }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if isInteger, let integer = Int(text) { return .integer(integer) }
    guard let number = Double(text), number.isFinite else { throw failure("number out of range") }
    return .number(number)
  }

  private mutating func skipDigits() -> Int {
    let start = position
    while let byte = peek, byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
    return position - start
  }

  private mutating func string() throws -> String {
    position += 1
    let start = position
    while let byte = peek, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"), byte >= 0x20 { position += 1 }
    if peek == UInt8(ascii: "\"") {
      position += 1
      return try text(bytes[start..<(position - 1)])
    }
    var decoded = Array(bytes[start..<position])
    while let byte = peek {
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return try decoded.withUnsafeBufferPointer { try text($0[...]) }
      case UInt8(ascii: "\\"): try escape(into: &decoded)
      case 0..<0x20:
        let hex = (byte < 16 ? "0" : "") + String(byte, radix: 16)
        throw failure("a control character in a string (write it as \\u00\(hex))")
      default:
        decoded.append(byte)
        position += 1
      }
    }
    throw failure("the string does not end")
  }

  private func text(_ slice: Slice<UnsafeBufferPointer<UInt8>>) throws -> String {
    guard let text = String(validating: slice, as: UTF8.self) else { throw failure("the string is not valid UTF-8") }
    return text
  }

  private mutating func escape(into decoded: inout [UInt8]) throws {
    position += 1
    guard let byte = peek else { throw failure("the string does not end") }
    let meant: UInt8? =
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): byte
      case UInt8(ascii: "b"): 0x08
      case UInt8(ascii: "f"): 0x0C
      case UInt8(ascii: "n"): 0x0A
      case UInt8(ascii: "r"): 0x0D
      case UInt8(ascii: "t"): 0x09
      default: nil
      }
    if let meant {
      decoded.append(meant)
      position += 1
      return
    }
    guard byte == UInt8(ascii: "u") else { throw failure("unknown escape in a string") }
    position += 1
    var code = try fourHexDigits()
    if (0xD800..<0xDC00).contains(code), peek == UInt8(ascii: "\\") {
      position += 1
      guard peek == UInt8(ascii: "u") else { throw failure("half a surrogate pair in a string") }
      position += 1
      let low = try fourHexDigits()
      guard (0xDC00..<0xE000).contains(low) else { throw failure("half a surrogate pair in a string") }
      code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = UnicodeScalar(code) else { throw failure("half a surrogate pair in a string") }
    decoded.append(contentsOf: String(Character(scalar)).utf8)
  }

  private mutating func fourHexDigits() throws -> UInt32 {
    guard position + 4 <= bytes.count else { throw failure("malformed \\u escape") }
    var code: UInt32 = 0
    for byte in bytes[position..<(position + 4)] {
      guard let digit = Character(UnicodeScalar(byte)).hexDigitValue, byte < 0x80 else {
        throw failure("malformed \\u escape")
      }
      code = code << 4 | UInt32(digit)
    }
    position += 4
    return code
  }

  private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() throws {
    while let byte = peek {
      switch byte {
      case 0x20, 0x09, 0x0D: position += 1
      case 0x0A: newLine()
      case UInt8(ascii: "/") where dialect.contains(.comments): try comment()
      default: return
      }
    }
  }

  private mutating func newLine() {
    position += 1
    line += 1
    lineStart = position
  }

  private mutating func comment() throws {
    let second = position + 1 < bytes.count ? bytes[position + 1] : 0
    if second == UInt8(ascii: "/") {
      while let byte = peek, byte != 0x0A { position += 1 }
    } else if second == UInt8(ascii: "*") {
      let start = self
      position += 2
      while !(peek == UInt8(ascii: "*") && position + 1 < bytes.count && bytes[position + 1] == UInt8(ascii: "/")) {
        guard let byte = peek else { throw start.failure("the comment does not end") }
        if byte == 0x0A { newLine() } else { position += 1 }
      }
      position += 2
    } else {
      throw failure("expected // or /*")
    }
  }

  private func failure(_ problem: String) -> JSONSyntaxError {
    JSONSyntaxError(file: file, line: line, column: position - lineStart + 1, problem: problem)
  }
}
