import StrictJSON

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

  /// The format that the ending of `path` tells, if it tells one.
  public init?(ending path: String) {
    let ending = path.lowercased().split(separator: ".").last ?? ""
    if let format = FileFormat(rawValue: ending == "ndjson" ? "jsonl" : String(ending)) {
      self = format
    } else {
      return nil
    }
  }

  /// Whether rows are JSON objects.
  public var isJSON: Bool { self == .jsonl || self == .json }
}

/// The rows of a data file, read the same way whether it is TSV, CSV, JSONL or JSON.
///
///     let table = try Table(path: "train.csv")
///     for row in table.rows { print(row.line, try table.text(.name("text"), of: row).get() ?? "") }
public struct Table: Sendable {
  /// Names the file in errors.
  public let file: String
  /// How it is written.
  public let format: FileFormat
  /// The names of the columns, where the first line gives them.
  public let header: [String]?
  /// The rows after the header.
  public let rows: [Row]

  /// Reads the file at `path`, in the format that its ending tells, or else in `format`.
  public init(path: String, otherwise format: FileFormat = .tsv, hasHeader: Bool = true) throws {
    try self.init(
      bytes: readFile(path), file: path, format: FileFormat(ending: path) ?? format, hasHeader: hasHeader)
  }

  /// Cuts `bytes` into rows. A first line that reads `knownHeader` is a header, whatever `hasHeader` says.
  ///
  /// Throws where the text is empty, has no rows, isn't UTF-8 or isn't in `format`. JSON has no header.
  public init(
    bytes: [UInt8], file: String, format: FileFormat, hasHeader: Bool = true, knownHeader: [String]? = nil
  ) throws {
    let found: [Row]
    switch format {
    case .tsv: found = try TextLines(bytes: bytes, file: file).rows
    case .csv: found = try CSVScanner.rows(bytes, file: file)
    case .jsonl: found = try Self.lines(bytes, file)
    case .json: found = try Self.list(bytes, file)
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
    if format == .csv { try requireEqualWidth(names.count) }
  }

  /// A comma that should have been quoted shifts all fields after it.
  private func requireEqualWidth(_ width: Int) throws {
    var problems = FileProblems(file: file)
    for row in rows where row.fieldCount != width {
      let fields = row.fieldCount == 1 ? "1 field" : "\(row.fieldCount) fields"
      problems.add(.badRecord(file: file, line: row.line, problem: "\(fields), the header has \(width)"))
    }
    try problems.throwIfAny()
  }

  /// The 0-based number of `column`; nil where the header lacks the name, or the first row the number, and in JSON.
  func number(of column: Column) -> Int? {
    switch column {
    case .index(let index): !format.isJSON && index < header?.count ?? rows.first?.fieldCount ?? 0 ? index : nil
    case .name(let name): header?.firstIndex(of: name)
    }
  }

  /// The text under `name` in a row, or what is wrong with it. In JSON it must be a string; null is the same as no such
  /// key.
  public func text(_ name: String, of row: Row, isRequired: Bool = true) -> Result<String?, TaskError> {
    func failure(_ problem: String, _ line: Int) -> Result<String?, TaskError> {
      .failure(.badRecord(file: file, line: line, problem: problem))
    }
    guard let object = row.object else {
      if let text = number(of: .name(name)).flatMap(row.field) { return .success(text) }
      return isRequired ? failure("\(name) is missing", row.line) : .success(nil)
    }
    guard let node = object[name], !node.isNull else {
      return isRequired ? failure("\(name) is missing", row.line) : .success(nil)
    }
    // A node of JSONL counts its lines from the row's own.
    let line = format == .jsonl ? row.line : node.line
    guard let text = node.string else { return failure("\(name) must be a string, not \(node.kind)", line) }
    return .success(text)
  }

  private static func list(_ bytes: [UInt8], _ file: String) throws -> [Row] {
    let root = try JSONParser.parse(bytes, file: file)
    guard let elements = root.array else {
      throw TaskError.badRecord(
        file: file, line: root.line, problem: "must be a list of objects, not \(root.kind) (JSONL files end in .jsonl)")
    }
    var problems = FileProblems(file: file)
    for element in elements where element.object == nil {
      problems.add(.badRecord(file: file, line: element.line, problem: "must be an object, not \(element.kind)"))
    }
    try problems.throwIfAny()
    return elements.map { Row(line: $0.line, .object($0)) }
  }

  private static func lines(_ bytes: [UInt8], _ file: String) throws -> [Row] {
    var rows: [Row] = [], problems = FileProblems(file: file)
    for (index, line) in try TextLines(bytes: bytes, file: file).lines.enumerated()
    where !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) {
      do {
        let node = try JSONParser.parse(Array(line), file: file)
        if node.object == nil {
          problems.add(.badRecord(file: file, line: index + 1, problem: "must be an object, not \(node.kind)"))
        }
        rows.append(Row(line: index + 1, .object(node)))
      } catch let error as JSONSyntaxError {
        problems.add(.badRecord(file: file, line: index + 1, problem: "not JSON: \(error.problem)"))
      }
    }
    try problems.throwIfAny()
    return rows
  }
}

extension TextLines {
  /// The lines as rows of TSV. Blank lines at the end are dropped; those within are rows with nothing in them, for the
  /// reader to refuse.
  fileprivate var rows: [Row] {
    let count = lines.count - lines.reversed().prefix { $0.isEmpty }.count
    return lines[..<count].enumerated().map { Row(line: $0.offset + 1, .line($0.element)) }
  }
}
