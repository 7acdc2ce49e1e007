import Diagnostics
import StrictJSON

/// A column of a table, by name or by number.
public enum Column: Sendable, Hashable, CustomStringConvertible {
  /// By its name in the header, or its key in a JSON record.
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

/// How a file writes rows.
public enum FileFormat: String, Sendable, CaseIterable {
  /// Fields between TABs, as GLUE writes them: nothing quotes, `"` is a character.
  case tsv
  /// RFC 4180: a quoted field may hold commas, line breaks and doubled quotes.
  case csv
  /// One JSON object a line.
  case jsonl
  /// One list of JSON objects.
  case json
  /// CoNLL's columns: a word and its tag a line, a blank line between sentences. No table, since its rows belong together.
  case conll
  /// Plain text: of a training file one text, elsewhere one a line. Only tasks of texts to continue have it.
  case text

  /// The format that the ending of `path` tells, if it tells one.
  public init?(ending path: String) {
    let ending = path.lowercased().split(separator: ".").last ?? ""
    // No table has the ending `.text`, and no plain text needs it.
    if ending == "text" { return nil }
    self.init(rawValue: ending == "ndjson" ? "jsonl" : String(ending))
  }

  /// Whether rows are JSON objects.
  public var isJSON: Bool { self == .jsonl || self == .json }
}

/// How a config says that its files are written, where their endings do not tell.
public struct TableStyle: Sendable, Equatable {
  /// The format of all files; nil: as their endings tell.
  public var format: FileFormat?
  /// What ends the fields of CSV; nil: a comma.
  public var delimiter: Character?

  /// A style.
  public init(format: FileFormat? = nil, delimiter: Character? = nil) {
    (self.format, self.delimiter) = (format, delimiter)
  }

  /// The format of `file`; where nothing tells it, `usual`, or CSV if there is a delimiter. Throws where the delimiter
  /// would go unused.
  func format(of file: String, otherwise usual: FileFormat) throws(TaskError) -> FileFormat {
    let format = format ?? FileFormat(ending: file) ?? (delimiter == nil ? usual : .csv)
    guard let delimiter else { return format }
    if format != .csv {
      throw .badOption(
        key: "delimiter", problem: "is for CSV, but \(file) is read as \(format.rawValue); file_format says otherwise")
    }
    _ = try byte(delimiter)
    return format
  }

  /// What ends the fields of CSV.
  func separator() throws(TaskError) -> UInt8 { try delimiter.map(byte) ?? UInt8(ascii: ",") }

  private func byte(_ delimiter: Character) throws(TaskError) -> UInt8 {
    guard let byte = Self.byte(delimiter) else {
      throw .badOption(key: "delimiter", problem: "must be \(Self.delimiterRule)")
    }
    return byte
  }

  /// The byte of a character that may end fields.
  public static func byte(_ delimiter: Character) -> UInt8? {
    delimiter.isASCII && !delimiter.isNewline && delimiter != "\"" ? delimiter.asciiValue : nil
  }

  /// Completes "must be".
  public static let delimiterRule = "one ASCII character, but no quote and no line break"
}

/// One row of a `Table`.
public struct Row: Sendable {
  enum Content: Sendable {
    /// A line of TSV, valid UTF-8. Fields are cut out only when asked for, so that wide files cost no more than narrow
    /// ones.
    case line(ArraySlice<UInt8>)
    case fields([String])
    case object(JSONNode)
  }

  /// The 1-based line on which it begins.
  public let line: Int
  private let content: Content

  init(line: Int, _ content: Content) { (self.line, self.content) = (line, content) }

  private static let tab = UInt8(ascii: "\t")

  /// The row's object in a JSON file; nil in TSV and CSV.
  public var object: JSONNode? { if case .object(let node) = content { node } else { nil } }

  var isBlank: Bool { if case .line(let bytes) = content { bytes.isEmpty } else { false } }

  /// The number of fields.
  public var fieldCount: Int {
    switch content {
    case .line(let bytes): bytes.count { $0 == Self.tab } + 1
    case .fields(let fields): fields.count
    case .object(let node): node.object?.count ?? 0
    }
  }

  /// The field at 0-based `index`; nil where the row is too short, and in JSON.
  public func field(_ index: Int) -> String? {
    switch content {
    case .line(let bytes):
      var rest = bytes
      for _ in 0..<index {
        guard let tab = rest.firstIndex(of: Self.tab) else { return nil }
        rest = rest[(tab + 1)...]
      }
      return String(decoding: rest.prefix { $0 != Self.tab }, as: UTF8.self)
    case .fields(let fields): return fields.indices.contains(index) ? fields[index] : nil
    case .object: return nil
    }
  }

  /// All fields; none in JSON.
  public var fields: [String] {
    switch content {
    case .line(let bytes):
      bytes.split(separator: Self.tab, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
    case .fields(let fields): fields
    case .object: []
    }
  }
}

/// The rows of a data file, read the same way whether it is TSV, CSV, JSONL or JSON.
///
///     let table = try Table(path: "train.csv")
///     for row in table.rows { print(row.line, try table.text("text", of: row) ?? "") }
public struct Table: Sendable {
  /// Names the file in errors.
  public let file: String
  /// How it is written.
  public let format: FileFormat
  /// The names of the columns, where the first line gives them.
  public let header: [String]?
  /// The rows after the header.
  public let rows: [Row]

  /// Reads the file at `path`, in the format that `style` or its ending tells, or else in `format`.
  public init(
    path: String, style: TableStyle = TableStyle(), otherwise format: FileFormat = .tsv, hasHeader: Bool = true
  ) throws {
    try self.init(
      bytes: readFile(path), file: path, format: style.format(of: path, otherwise: format),
      delimiter: style.separator(), hasHeader: hasHeader)
  }

  /// Cuts `bytes` into rows. A first line that reads `knownHeader` is a header, whatever `hasHeader` says.
  ///
  /// Throws where the text is empty, has no rows, isn't UTF-8 or isn't in `format`. JSON has no header.
  public init(
    bytes: [UInt8], file: String, format: FileFormat, delimiter: UInt8 = UInt8(ascii: ","), hasHeader: Bool = true,
    knownHeader: [String]? = nil
  ) throws {
    let found: [Row]
    var format = format
    switch format {
    case .tsv:
      // Blank lines at the end are dropped; those within are rows with nothing in them, for the reader to refuse.
      let lines = try textLines(bytes, file: file)
      let count = lines.count - lines.reversed().prefix { $0.isEmpty }.count
      found = lines.prefix(count).enumerated().map { Row(line: $0.offset + 1, .line($0.element)) }
    case .csv: found = try csvRows(bytes, file: file, delimiter: delimiter)
    case .jsonl: found = try Self.lines(bytes, file)
    case .conll: throw TaskError.noTable(file: file)
    case .json:
      // Files of one object a line often end in .json too.
      if Self.areObjects(bytes) {
        found = try Self.lines(bytes, file)
        format = .jsonl
      } else {
        found = try Self.list(bytes, file)
      }
    case .text:
      throw TaskError.badOption(key: "file_format", problem: "\"text\" has no columns; \(file) is read as a table")
    }
    guard let first = found.first else { throw TaskError.emptyFile(file: file) }
    (self.file, self.format) = (file, format)
    guard !format.isJSON, hasHeader || first.fields == knownHeader else {
      (header, rows) = (nil, found)
      return
    }
    guard found.count > 1 else { throw TaskError.onlyHeader(file: file) }
    let names = first.fields
    (header, rows) = (names, Array(found.dropFirst()))
    // A comma that should have been quoted shifts all fields after it.
    try (format == .csv ? rows : []).filter { $0.fieldCount != names.count }.map { row -> TaskError in
      .badRecord(
        file: file, line: row.line, problem: "\(counted(row.fieldCount, "field")), the header has \(names.count)")
    }.throwIfAny()
  }

  /// A table of one record.
  init(file: String, record: JSONNode) {
    (self.file, format, header, rows) = (file, .json, nil, [Row(line: record.line, .object(record))])
  }

  /// The 0-based number of `column`; nil where the header lacks the name, or the first row the number, and in JSON.
  func number(of column: Column) -> Int? {
    switch column {
    case .index(let index): !format.isJSON && index < header?.count ?? rows.first?.fieldCount ?? 0 ? index : nil
    case .name(let name): header?.place(of: name)
    }
  }

  /// The text under `name` in a row. In JSON it must be a string; null is the same as no such key. Throws where it is
  /// missing, unless `isRequired` is false: then it is nil.
  public func text(_ name: String, of row: Row, isRequired: Bool = true) throws(TaskError) -> String? {
    var node: JSONNode?
    if let object = row.object {
      node = object[name]
      if let text = node?.string { return text }
    } else if let text = number(of: .name(name)).flatMap(row.field) {
      return text
    }
    if let node, !node.isNull {
      // A node of JSONL counts its lines from the row's own.
      let line = format == .jsonl ? row.line : node.line
      throw .badRecord(file: file, line: line, problem: "\(name) must be a string, not \(node.kind)")
    }
    if isRequired { throw .badRecord(file: file, line: row.line, problem: "\(name) is missing") }
    return nil
  }

  private static func list(_ bytes: [UInt8], _ file: String) throws -> [Row] {
    let root = try JSONParser.parse(bytes, file: file)
    guard let elements = root.array else {
      throw TaskError.badRecord(
        file: file, line: root.line, problem: "must be a list of objects, not \(root.kind) (JSONL files end in .jsonl)")
    }
    return try elements.mapAll { (element) throws(TaskError) in try row(element, line: element.line, file) }
  }

  /// Whether the first two lines that are not blank are JSON objects.
  private static func areObjects(_ bytes: [UInt8]) -> Bool {
    let lines = withoutMark(bytes).split(separator: UInt8(ascii: "\n")).lazy.filter { line in
      !line.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
    }.prefix(2)
    return lines.count == 2 && lines.allSatisfy { (try? JSONParser.parse(Array($0), file: ""))?.object != nil }
  }

  private static func lines(_ bytes: [UInt8], _ file: String) throws -> [Row] {
    let lines = try textLines(bytes, file: file).enumerated().filter { _, line in
      !line.allSatisfy { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }
    }
    return try lines.mapAll { (index, line) throws(TaskError) in
      let node: JSONNode
      do { node = try JSONParser.parse(Array(line), file: file) } catch {
        let problem = (error as? JSONSyntaxError)?.problem ?? "\(error)"
        throw .badRecord(file: file, line: index + 1, problem: "not JSON: \(problem)")
      }
      return try row(node, line: index + 1, file)
    }
  }

  private static func row(_ node: JSONNode, line: Int, _ file: String) throws(TaskError) -> Row {
    if node.object == nil { throw .badRecord(file: file, line: line, problem: "must be an object, not \(node.kind)") }
    return Row(line: line, .object(node))
  }
}
