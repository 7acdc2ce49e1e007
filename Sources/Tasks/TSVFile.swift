import Diagnostics

/// One line of a TSV file.
public struct TSVRow: Sendable {
  /// 1-based line in the file.
  public let line: Int
  /// The line, valid UTF-8.
  let bytes: ArraySlice<UInt8>

  /// Whether nothing stands on the line.
  var isBlank: Bool { bytes.isEmpty }

  /// How many fields the row has: one more than its TABs.
  var fieldCount: Int { bytes.count { $0 == UInt8(ascii: "\t") } + 1 }

  /// The field at 0-based `index`, or nil where the row is too short.
  public func field(_ index: Int) -> String? {
    var start = bytes.startIndex
    for _ in 0..<index {
      guard let tab = bytes[start...].firstIndex(of: UInt8(ascii: "\t")) else { return nil }
      start = tab + 1
    }
    let end = bytes[start...].firstIndex(of: UInt8(ascii: "\t")) ?? bytes.endIndex
    return String(decoding: bytes[start..<end], as: UTF8.self)
  }

  /// All fields.
  var fields: [String] {
    bytes.split(separator: UInt8(ascii: "\t"), omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
  }
}

/// A tab-separated file as GLUE writes it: nothing quotes, `"` is a character, only LF ends a line (`TextLines`).
///
/// Blank lines at the end are dropped; those within are rows with nothing in them, for the reader to refuse.
/// Fields are cut out as they are asked for, so that wide files cost no more than narrow ones.
public struct TSVFile: Sendable {
  /// Names the file in errors.
  public let file: String
  /// The column names of the first line, where that is a header.
  public let header: [String]?
  private let lines: ArraySlice<ArraySlice<UInt8>>

  /// Cuts `bytes` into rows. Throws where the text is empty, has no rows or isn't UTF-8.
  public init(bytes: [UInt8], file: String, hasHeader: Bool) throws {
    try self.init(TextLines(bytes: bytes, file: file), hasHeader: hasHeader)
  }

  /// Cuts `text` into rows. Throws where it has none.
  init(_ text: TextLines, hasHeader: Bool) throws {
    file = text.file
    let count = text.lines.count - text.lines.reversed().prefix { $0.isEmpty }.count
    guard count > 0 else { throw TaskError.emptyFile(file: file) }
    guard !hasHeader || count > 1 else { throw TaskError.onlyHeader(file: file) }
    header = hasHeader ? TSVRow(line: 1, bytes: text.lines[0]).fields : nil
    lines = text.lines[(hasHeader ? 1 : 0)..<count]
  }

  /// The rows after the header.
  public var rows: some RandomAccessCollection<TSVRow> {
    lines.indices.lazy.map { TSVRow(line: $0 + 1, bytes: lines[$0]) }
  }

  /// The 0-based number of `column`; nil where the header lacks the name, or the first row the number.
  func number(of column: Column) -> Int? {
    switch column {
    case .index(let index): index < header?.count ?? rows.first?.fieldCount ?? 0 ? index : nil
    case .name(let name): header?.firstIndex(of: name)
    }
  }
}

/// A column of a TSV file.
public enum Column: Sendable, Equatable, CustomStringConvertible {
  /// By its name in the header.
  case name(String)
  /// By its 0-based number.
  case index(Int)

  /// `"label"` or `number 3`.
  public var description: String {
    switch self {
    case .name(let name): "\"\(name)\""
    case .index(let index): "number \(index)"
    }
  }
}
