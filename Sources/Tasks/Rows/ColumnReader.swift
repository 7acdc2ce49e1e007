import Metrics
import StrictJSON

/// Where the texts and the label of an example stand in the rows of a file.
public struct TableLayout: Sendable {
  /// The columns of the one or two texts.
  public let texts: [Column]
  /// The column of the label; nil for unlabelled data.
  public let label: Column?
  /// Whether the first line of TSV and CSV names the columns.
  public let hasHeader: Bool
  /// How the file is written; nil: as its ending tells, else TSV.
  let format: FileFormat?
  /// The first line of unlabelled files, where their layout differs.
  let testHeader: [String]?
  /// Whether rare broken rows are left out and reported, if they are at most 1 in 1,000.
  let leavesOutBrokenRows: Bool

  /// A layout of a table of one's own.
  public init(texts: [Column], label: Column?, hasHeader: Bool = true, format: FileFormat? = nil) {
    self.init(texts: texts, label: label, hasHeader: hasHeader, format: format, testHeader: nil)
  }

  init(
    texts: [Column], label: Column?, hasHeader: Bool, format: FileFormat?, testHeader: [String]?,
    leavesOutBrokenRows: Bool = false
  ) {
    (self.texts, self.label, self.hasHeader, self.format) = (texts, label, hasHeader, format)
    (self.testHeader, self.leavesOutBrokenRows) = (testHeader, leavesOutBrokenRows)
  }

  /// Whether examples are pairs of texts.
  public var isPair: Bool { texts.count == 2 }
}

/// Takes the texts and the label of each example out of a table.
struct ColumnReader {
  /// The fields of one example.
  struct Example {
    let line: Int
    let text: String
    let pair: String?
    let label: String?
  }

  private let table: Table
  private let hasPair: Bool
  /// Those of the texts, and after them the label's; the number is that of TSV and CSV.
  private let columns: [(column: Column, number: Int)]
  private let hasLabel: Bool
  private let isLabelRequired: Bool
  private let leavesOutBrokenRows: Bool

  /// Finds the columns. The label's may be missing in `test` only.
  init(bytes: [UInt8], file: String, _ layout: TableLayout, split: Split) throws {
    table = try Table(
      bytes: bytes, file: file, format: layout.format ?? FileFormat(ending: file) ?? .tsv,
      hasHeader: layout.hasHeader, knownHeader: layout.testHeader)
    let table = table
    let isUnlabelled = !layout.hasHeader && table.header != nil
    let texts = isUnlabelled ? [.name("sentence")] : layout.texts
    let label = isUnlabelled ? .name("label") : layout.label
    isLabelRequired = split != .test
    if isLabelRequired, label == nil { throw TaskError.labelColumnMissing(split: split) }
    var problems = FileProblems(file: file)
    func locate(_ column: Column, isRequired: Bool = true) -> (Column, Int)? {
      if table.format.isJSON, case .name = column { return (column, 0) }
      if let number = table.number(of: column) { return (column, number) }
      if table.format.isJSON {
        problems.add(.numberedColumn(file: file, column: column))
        return nil
      }
      if isRequired { problems.add(.missingColumn(file: file, column: column, header: table.header)) }
      return nil
    }
    let textColumns = texts.compactMap { locate($0) }
    let labelColumn = label.flatMap { locate($0, isRequired: split != .test) }
    try problems.throwIfAny()
    columns = textColumns + [labelColumn].compactMap { $0 }
    hasPair = textColumns.count == 2
    hasLabel = labelColumn != nil
    leavesOutBrokenRows = layout.leavesOutBrokenRows
  }

  /// What `body` makes of each row. Throws those that are blank or too short, unless they may be left out, and then
  /// returns them apart.
  func map<Value>(_ body: (Example) -> Value) throws -> (values: [Value], leftOut: [TaskError]) {
    var values: [Value] = [], problems = FileProblems(file: table.file)
    values.reserveCapacity(table.rows.count)
    for row in table.rows {
      switch fields(row) {
      case .success(let found): values.append(body(found))
      case .failure(let problem): problems.add(problem)
      }
    }
    if leavesOutBrokenRows, problems.count * 1000 <= table.rows.count { return (values, problems.all) }
    try problems.throwIfAny()
    return (values, [])
  }

  private func fields(_ row: Row) -> Result<Example, TaskError> {
    if row.isBlank { return .failure(.blankLine(file: table.file, line: row.line)) }
    var found: [String?] = []
    found.reserveCapacity(columns.count)
    for (place, (column, number)) in columns.enumerated() {
      switch value(row, column, number, isLabel: hasLabel && place == columns.count - 1) {
      case .success(let field): found.append(field)
      case .failure(let problem): return .failure(problem)
      }
    }
    return .success(
      Example(
        line: row.line, text: found[0] ?? "", pair: hasPair ? found[1] : nil,
        label: hasLabel ? found[found.count - 1] : nil))
  }

  private func value(_ row: Row, _ column: Column, _ number: Int, isLabel: Bool) -> Result<String?, TaskError> {
    if let object = row.object, case .name(let name) = column {
      // A label may be a number or a truth value too; it is named as JSON writes it.
      if isLabel, let node = object[name], node.string == nil, node.number != nil || node.bool != nil {
        return .success(JSONWriter.text(node.value, pretty: false))
      }
      return table.text(name, of: row, isRequired: !isLabel || isLabelRequired)
    }
    if let field = row.field(number) { return .success(field) }
    let name = table.header.map { number < $0.count ? Column.name($0[number]) : column } ?? column
    return .failure(
      .missingField(file: table.file, line: row.line, column: "\(name)", fields: row.fieldCount))
  }
}
