import Algorithms
import Diagnostics

func readFile(_ path: String) throws -> [UInt8] {
  let bytes: [UInt8]
  do {
    bytes = try InputFile.read(path, limit: InputFile.dataLimit, allowsPipe: true)
  } catch {
    throw TaskError.unreadable(file: path, reason: error.description)
  }
  try ForeignFormat.refuse(bytes, file: path)
  return bytes
}

func withoutMark(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
  bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes.dropFirst(3) : bytes[...]
}

/// The lines of a UTF-8 text without their ends; nothing follows the last LF. Throws for every line that isn't UTF-8.
///
/// Only LF ends a line. One CR before it (or before the end of the text) is dropped; U+2028, U+0085, VT, FF and every
/// other CR are characters like any other. Works on bytes: in Swift `"\r\n"` is one `Character`, so `String` can't be
/// split at its LF.
func textLines(_ bytes: [UInt8], file: String) throws -> [ArraySlice<UInt8>] {
  var lines = withoutMark(bytes).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
  if lines.last?.isEmpty == true { lines.removeLast() }
  var problems: [TaskError] = []
  for (index, line) in lines.enumerated() {
    if line.last == UInt8(ascii: "\r") { lines[index].removeLast() }
    if line.contains(where: { $0 >= 0x80 }), String(validating: line, as: UTF8.self) == nil {
      problems.append(.invalidUTF8(file: file, line: index + 1))
    }
  }
  try problems.throwIfAny()
  return lines
}

extension [TaskError] {
  /// Throws the errors of a file, of which the first three are described.
  func throwIfAny() throws { try ErrorList.throwIfAny(self, showing: 3) }
}

/// `1 record`, `2 records`.
func counted(_ count: Int, _ name: String, plural: String? = nil) -> String {
  count == 1 ? "1 \(name)" : "\(count) \(plural ?? name + "s")"
}

/// `a.csv`, or `a.csv and 2 more files`.
func named(_ files: [String]) -> String {
  let more = files.count - 1
  return (files.first ?? "") + (more > 0 ? " and \(more == 1 ? "1 more file" : "\(more) more files")" : "")
}

/// `data.json: left out 2 records with an empty output (lines 7, 9)`: what was done with records, and where they begin.
func notice(_ what: String, file: String, lines: [Int]) -> String {
  "\(file): \(what) (\(lines.count == 1 ? "line" : "lines") \(lines.map(String.init).firstThree))"
}

/// Notices like that about records at `places`, one for each file; `what` says it of a number of records.
func notices(_ places: [(file: String, line: Int)], _ what: (Int) -> String) -> [String] {
  places.chunked { ExactText($0.file) == ExactText($1.file) }.map { chunk in
    notice(what(chunk.count), file: chunk.first?.file ?? "", lines: chunk.map(\.line))
  }
}

/// A record that is used, or the reason why it is left out, such as "an empty output".
enum Usable<Value> {
  case use(Value)
  case skip(String)
}

extension Sequence {
  /// What `transform` makes of each element. Throws the errors of all elements together.
  func mapAll<Value>(_ transform: (Element) throws(TaskError) -> Value) throws -> [Value] {
    var values: [Value] = [], problems: [TaskError] = []
    values.reserveCapacity(underestimatedCount)
    for element in self {
      do throws(TaskError) { values.append(try transform(element)) } catch { problems.append(error) }
    }
    try problems.throwIfAny()
    return values
  }
}

extension Table {
  /// The records that can be used, and notices about the others. Throws where none is left.
  func usable<Value>(
    _ read: (Row) throws(TaskError) -> Usable<Value>
  ) throws -> (values: [Value], skipped: [String]) {
    var values: [Value] = [], skips: [(reason: String, line: Int)] = []
    let records = try rows.mapAll { (row) throws(TaskError) in (try read(row), row.line) }
    for (record, line) in records {
      switch record {
      case .use(let value): values.append(value)
      case .skip(let reason): skips.append((reason, line))
      }
    }
    let reasons = Array(skips.map(\.reason).uniqued())
    if values.isEmpty { throw TaskError.nothingUsable(file: file, reasons: reasons) }
    let skipped = reasons.map { reason in
      let lines = skips.filter { $0.reason == reason }.map(\.line)
      return notice("left out \(counted(lines.count, "record")) with \(reason)", file: file, lines: lines)
    }
    return (values, skipped)
  }
}

private let quote = UInt8(ascii: "\""), lf = UInt8(ascii: "\n"), cr = UInt8(ascii: "\r")

/// The rows of CSV (RFC 4180): fields end at commas, or at another `delimiter`; a quoted field may hold those, line breaks
/// and doubled quotes. CR before LF is tolerated, and so is a byte order mark; blank lines are no rows. Throws where
/// `bytes` are not UTF-8, or a quote is out of place.
func csvRows(_ bytes: [UInt8], file: String, delimiter: UInt8 = UInt8(ascii: ",")) throws -> [Row] {
  // Checks UTF-8, line by line.
  _ = try textLines(bytes, file: file)
  var rest = withoutMark(bytes), line = 1, rows: [Row] = []
  while !rest.isEmpty {
    let start = line
    var fields = [try csvField(&rest, &line, delimiter, file)]
    while rest.first == delimiter {
      rest.removeFirst()
      fields.append(try csvField(&rest, &line, delimiter, file))
    }
    if rest.first == cr { rest.removeFirst() }
    if rest.popFirst() == lf { line += 1 }
    if fields != [""] { rows.append(Row(line: start, .fields(fields))) }
  }
  return rows
}

/// Takes a field from the front of `rest`, up to the delimiter or the line's end after it.
private func csvField(
  _ rest: inout ArraySlice<UInt8>, _ line: inout Int, _ delimiter: UInt8, _ file: String
) throws -> String {
  guard rest.first == quote else {
    let text = rest.prefix { $0 != delimiter && $0 != lf }
    rest = rest[text.endIndex...]
    return String(decoding: text.last == cr && rest.first != delimiter ? text.dropLast() : text, as: UTF8.self)
  }
  let start = line
  var text: [UInt8] = []
  rest.removeFirst()
  while let end = rest.firstIndex(of: quote) {
    text += rest[..<end]
    rest = rest[(end + 1)...]
    if rest.first == quote {
      text.append(quote)
      rest.removeFirst()
      continue
    }
    line += text.count { $0 == lf }
    guard rest.isEmpty || rest.first == delimiter || rest.first == lf || rest.starts(with: [cr, lf]) || rest == [cr]
    else {
      throw TaskError.badRecord(
        file: file, line: line, problem: "text after a quoted field; a quote inside one is written twice")
    }
    return String(decoding: text, as: UTF8.self)
  }
  throw TaskError.badRecord(file: file, line: start, problem: "a quoted field does not end")
}

extension String {
  /// Without white space at either end.
  var trimmed: String {
    let scalars = unicodeScalars.drop { $0.properties.isWhitespace }
    let count = scalars.reversed().prefix { $0.properties.isWhitespace }.count
    return String(scalars.dropLast(count))
  }
}
