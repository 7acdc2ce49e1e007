import StrictJSON

/// The documents of a file for `causal-lm`.
package struct TextDocuments: Sendable {
  package let documents: [String]
  package let skipped: [String]
  /// Whether the documents are records, each a text of its own.
  let areRecords: Bool

  /// Reads a plain text, which is one document, or as `style` or its ending tells a table, where every row's `column` is
  /// one.
  package init(path: String, style: TableStyle = TableStyle(), column: Column = Self.usualColumn) throws {
    try self.init(bytes: readFile(path), file: path, style: style, column: column)
  }

  init(
    bytes: [UInt8], file: String, style: TableStyle = TableStyle(), column: Column = Self.usualColumn
  ) throws {
    let format = try style.format(of: file, otherwise: .text)
    areRecords = format != .text
    guard areRecords else {
      // Checks UTF-8, line by line.
      _ = try textLines(bytes, file: file)
      let text = withoutMark(bytes)
      if text.isEmpty { throw TaskError.emptyFile(file: file) }
      if style.format == nil, let format = FileFormat(recognizedIn: text, column: column) {
        throw TaskError.recordsInText(file: file, format: format)
      }
      (documents, skipped) = ([String(decoding: text, as: UTF8.self)], [])
      return
    }
    let table = try Table(bytes: bytes, file: file, format: format, delimiter: style.separator())
    let texts = try table.texts(column)
    (documents, skipped) = try table.usable { (row) throws(TaskError) in
      let text = try texts(row)
      return text.isEmpty ? .skip("an empty text") : .use(text)
    }
  }

  /// The column that has the texts if nothing else is said.
  package static let usualColumn = Column.name("text")
}

extension Table {
  /// What reads the text in `column` of a row. Throws where there is no such column.
  func texts(_ column: Column) throws(TaskError) -> (Row) throws(TaskError) -> String {
    let found = try TableColumn(column).located(in: self)
    return { (row) throws(TaskError) in
      if case .name(let name) = column, let object = row.object?.object, object[name]?.isNull ?? true {
        let keys = object.keys.prefix(5).map { JSONWriter.quoted($0.clipped) }.joined(separator: ", ")
        let others = keys.isEmpty ? "no keys at all" : keys + (object.count > 5 ? ", …" : "")
        throw .badRecord(
          file: self.file, line: row.line,
          problem:
            "no text under \(JSONWriter.quoted(name.clipped)), only \(others); text_columns (or --column) names the key of the texts"
        )
      }
      return try found.text(of: row, in: self) ?? ""
    }
  }
}

extension FileFormat {
  /// The format of records that stand in `text`, although its name does not tell: JSON objects one a line, one list or
  /// object of JSON, or a first line of several fields of which one is named as `column`. Nil for ordinary text.
  init?(recognizedIn text: ArraySlice<UInt8>, column: Column) {
    let blank: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
    let lines = text.split(separator: UInt8(ascii: "\n")).lazy.filter { !$0.allSatisfy(blank.contains) }.prefix(3)
    switch text.first(where: { !blank.contains($0) }) {
    case UInt8(ascii: "{") where lines.allSatisfy { Self.json(Array($0))?.object?.keys.isEmpty == false }: self = .jsonl
    case UInt8(ascii: "{"), UInt8(ascii: "["):
      guard let value = Self.json(Array(text)), value.array?.isEmpty == false || value.object?.keys.isEmpty == false
      else { return nil }
      self = .json
    default:
      guard case .name(let name) = column, let first = lines.first else { return nil }
      let separators: [(UInt8, FileFormat)] = [(0x09, .tsv), (UInt8(ascii: ","), .csv), (UInt8(ascii: ";"), .csv)]
      let found = separators.first { separator, _ in
        let fields = first.split(separator: separator, omittingEmptySubsequences: false).map { field in
          field.filter { $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\r") }
        }
        return fields.count > 1 && fields.contains { $0.elementsEqual(name.utf8) }
      }
      guard let found else { return nil }
      self = found.1
    }
  }

  private static func json(_ bytes: [UInt8]) -> JSONNode? { try? JSONParser.parse(bytes, file: "") }
}
