import Metrics

/// Takes the columns of a task out of a file.
struct RowReader {
  /// The fields of one example.
  struct Row {
    let line: Int
    let text: String
    let pair: String?
    let label: String?
  }

  private let file: TSVFile
  private let hasPair: Bool
  /// Those of the texts, and after them the label's.
  private let columns: [(column: Column, number: Int)]
  private let hasLabel: Bool
  private let leavesOutBrokenRows: Bool

  /// Finds the columns. The label's may be missing in `test` only.
  init(_ text: TextLines, _ definition: TaskDefinition, split: Split) throws {
    var hasHeader = definition.hasHeader
    var columns = (texts: definition.texts, label: definition.label)
    if definition.name == "cola", let first = text.lines.first,
      TSVRow(line: 1, bytes: first).fields == TaskDefinition.colaTestHeader
    {
      (hasHeader, columns) = (true, ([.name("sentence")], .name("label")))
    }
    let file = try TSVFile(text, hasHeader: hasHeader)
    var problems = ProblemList(file: text.file)
    func locate(_ column: Column) -> (Column, Int)? {
      if let number = file.number(of: column) { return (column, number) }
      problems.add(.missingColumn(file: text.file, column: column, header: file.header))
      return nil
    }
    let texts = columns.texts.compactMap(locate), label: (Column, Int)?
    if split != .test {
      guard let column = columns.label else { throw TaskError.labelColumnMissing(split: split) }
      label = locate(column)
    } else {
      label = columns.label.flatMap { column in file.number(of: column).map { (column, $0) } }
    }
    try problems.throwIfAny()
    self.file = file
    self.columns = texts + [label].compactMap { $0 }
    hasPair = texts.count == 2
    hasLabel = label != nil
    leavesOutBrokenRows = definition.leavesOutBrokenRows
  }

  /// What `body` makes of each row. Throws those that are blank or too short, unless they may be left out, and then
  /// returns them apart.
  func map<Value>(_ body: (Row) -> Value) throws -> (values: [Value], leftOut: [TaskError]) {
    var values: [Value] = [], problems = ProblemList(file: file.file)
    values.reserveCapacity(file.rows.count)
    for row in file.rows {
      switch fields(row) {
      case .success(let found): values.append(body(found))
      case .failure(let problem): problems.add(problem)
      }
    }
    if leavesOutBrokenRows, problems.count * 1000 <= file.rows.count { return (values, problems.all) }
    try problems.throwIfAny()
    return (values, [])
  }

  private func fields(_ row: TSVRow) -> Result<Row, TaskError> {
    if row.isBlank { return .failure(.blankLine(file: file.file, line: row.line)) }
    var found: [String] = []
    found.reserveCapacity(columns.count)
    for (column, number) in columns {
      guard let field = row.field(number) else {
        let name = file.header.map { number < $0.count ? Column.name($0[number]) : column } ?? column
        return .failure(
          .missingField(file: file.file, line: row.line, column: "\(name)", fields: row.fieldCount))
      }
      found.append(field)
    }
    return .success(
      Row(
        line: row.line, text: found[0], pair: hasPair ? found[1] : nil, label: hasLabel ? found[found.count - 1] : nil))
  }
}
