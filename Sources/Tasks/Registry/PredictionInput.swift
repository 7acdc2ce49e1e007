import Diagnostics

/// Texts to label or questions to answer, as bytes.
public struct PredictionInput: Sendable {
  /// The bytes.
  public let bytes: [UInt8]
  /// Names them in errors.
  public let name: String
  /// Whether they come from a pipe, so that the name tells nothing about their format.
  public let isPipe: Bool

  /// What came by a pipe, or from elsewhere in memory.
  public init(bytes: [UInt8], name: String) { (self.bytes, self.name, isPipe) = (bytes, name, true) }

  /// Reads the file at `path`. Throws where that fails.
  public init(path: String) throws { (bytes, name, isPipe) = (try readFile(path), path, false) }

  /// The format that the name tells.
  var format: FileFormat? { isPipe ? nil : FileFormat(ending: name) }

  /// One example a line: the whole line, or for pairs two fields and one TAB.
  public func lines(asPairs: Bool) throws -> [Example] {
    let text = try TextLines(bytes: bytes, file: name)
    var problems = FileProblems(file: name)
    let examples = text.lines.enumerated().map { number, bytes in
      let row = Row(line: number + 1, .line(bytes))
      guard asPairs else { return Example(text: String(decoding: bytes, as: UTF8.self), line: row.line) }
      if row.fieldCount != 2 { problems.add(.notAPair(file: name, line: row.line, fields: row.fieldCount)) }
      return Example(text: row.field(0) ?? "", pair: row.field(1) ?? "", line: row.line)
    }
    try problems.throwIfAny()
    return examples
  }

  /// Whether the bytes are a table in `layout`, rather than one text or pair a line.
  ///
  /// The first line of a table names the text columns; in a layout without a header it has the fields for them, and
  /// more than the one of a text or the two of a pair.
  func isTable(_ layout: TableLayout) -> Bool {
    if let format, format != .tsv { return true }
    var line = bytes.prefix { $0 != UInt8(ascii: "\n") }
    if line.starts(with: [0xEF, 0xBB, 0xBF]) { line = line.dropFirst(3) }
    if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
    let fields = Row(line: 1, .line(line)).fields
    if fields == layout.testHeader { return true }
    let isWide = fields.count > (layout.isPair ? 2 : 1)
    return layout.texts.allSatisfy { column in
      switch column {
      case .name(let name): fields.contains(name)
      case .index(let index): index < fields.count && isWide
      }
    }
  }
}
