/// Cuts CSV (RFC 4180) into rows: a quoted field may hold commas, line breaks and doubled quotes.
///
/// CR before LF is tolerated, and so is a byte order mark. Blank lines are no rows.
struct CSVScanner {
  private static let quote = UInt8(ascii: "\""), comma = UInt8(ascii: ","), lf = UInt8(ascii: "\n"),
    cr = UInt8(ascii: "\r")
  private let bytes: [UInt8]
  private let file: String
  private var position = 0
  private var line = 1

  private init(bytes: [UInt8], file: String) {
    (self.bytes, self.file) = (bytes, file)
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
  }

  /// The rows of `bytes`. Throws where these are not UTF-8, or a quote is out of place.
  static func rows(_ bytes: [UInt8], file: String) throws -> [Row] {
    // Checks UTF-8, line by line.
    _ = try TextLines(bytes: bytes, file: file)
    var scanner = CSVScanner(bytes: bytes, file: file)
    return try scanner.rows()
  }

  private mutating func rows() throws -> [Row] {
    var rows: [Row] = []
    while position < bytes.count {
      let start = line
      var fields = [try field()]
      while position < bytes.count, bytes[position] == Self.comma {
        position += 1
        fields.append(try field())
      }
      endLine()
      if fields != [""] { rows.append(Row(line: start, .fields(fields))) }
    }
    return rows
  }

  /// The field at the position; the position moves to the comma or the line's end after it.
  private mutating func field() throws -> String {
    guard position < bytes.count, bytes[position] == Self.quote else {
      let start = position
      while position < bytes.count, bytes[position] != Self.comma, !isLineEnd { position += 1 }
      return String(decoding: bytes[start..<position], as: UTF8.self)
    }
    let start = line
    var text: [UInt8] = []
    position += 1
    while true {
      guard position < bytes.count else {
        throw TaskError.badRecord(file: file, line: start, problem: "a quoted field does not end")
      }
      let byte = bytes[position]
      position += 1
      if byte == Self.lf { line += 1 }
      if byte != Self.quote {
        text.append(byte)
      } else if position < bytes.count, bytes[position] == Self.quote {
        text.append(byte)
        position += 1
      } else {
        break
      }
    }
    guard position == bytes.count || bytes[position] == Self.comma || isLineEnd else {
      throw TaskError.badRecord(
        file: file, line: line, problem: "text after a quoted field; a quote inside one is written twice")
    }
    return String(decoding: text, as: UTF8.self)
  }

  private var isLineEnd: Bool {
    bytes[position] == Self.lf
      || (bytes[position] == Self.cr && (position + 1 == bytes.count || bytes[position + 1] == Self.lf))
  }

  private mutating func endLine() {
    if position < bytes.count, bytes[position] == Self.cr { position += 1 }
    if position < bytes.count, bytes[position] == Self.lf {
      position += 1
      line += 1
    }
  }
}
