import Diagnostics
import Metrics
import StrictJSON

/// Where the texts and the label of an example stand in the rows of a file.
struct TableLayout: Sendable {
  /// The columns of the one or two texts.
  let texts: [Column]
  /// Nil for unlabelled data.
  let label: Column?
  /// Whether the first line of TSV and CSV names the columns.
  var hasHeader = true
  /// Where it does not tell: as the file's ending tells, else TSV.
  var style = TableStyle()
  /// The first line of unlabelled files, where their layout differs.
  var testHeader: [String]?
  /// Whether rare broken rows are left out and reported, if they are at most 1 in 1,000.
  var leavesOutBrokenRows = false
}

/// Reads texts and labels from tables.
struct TableReader: Sendable {
  let layout: TableLayout
  /// The labels' names in the order of the numbers that may stand for them, where the config gives them.
  var names: [String]?

  func open(_ opening: TaskOpening, labels: LabelSpace) -> TaskReader {
    let isPair = layout.texts.count == 2
    var reader = TaskReader(labels: labels, objective: opening.task.objective(for: labels)) { request in
      let files = try request.paths.map { path in
        try tableRows(readFile(path), path, request.split, format: layout.style.format(of: path, otherwise: .tsv))
      }
      let examples = try examples(files.flatMap(\.rows), labels, request.split)
      let (chosen, notes) = try request.chosen(examples) { example in
        if case .classIndex(let index) = example.label { index } else { 0 }
      }
      return SplitData(
        chosen, files: request.paths, labels: labels, skipped: files.flatMap(\.leftOut), notes: notes)
    } predict: { input in
      guard let format = try input.tableFormat(layout) else {
        return SplitData(
          try input.lines(asPairs: isPair), files: [input.name], labels: labels,
          notes: try input.lineNotes(layout))
      }
      let (rows, leftOut) = try tableRows(input.bytes, input.name, .test, format: format)
      return SplitData(try examples(rows, labels, .test), files: [input.name], labels: labels, skipped: leftOut)
    }
    reader.isPair = isPair
    return reader
  }

  /// The labels of the training files.
  func labels(in paths: [String]) throws -> LabelSpace {
    let rows = try paths.flatMap { path in
      try tableRows(readFile(path), path, .train, format: layout.style.format(of: path, otherwise: .tsv)).rows
    }
    try Self.requireOneKind(rows)
    return try .found(in: rows.compactMap { row in row.label.map { ($0.text, row.file, row.line) } })
  }

  private func examples(_ rows: [TableRow], _ labels: LabelSpace, _ split: Split) throws -> [Example] {
    try Self.requireOneKind(rows)
    let reader = LabelReader(labels, names: names)
    return try rows.mapAll { (row) throws(TaskError) in
      let label: Label? =
        if let cell = row.label, split != .test || !reader.isNone(cell.text) {
          try reader.label(cell.text, file: row.file, line: row.line)
        } else { nil }
      return Example(
        text: row.texts[0], pair: row.texts.dropFirst().first, label: label, file: row.file, line: row.line)
    }
  }

  /// Throws where a label is a text in one JSON record and a number in another.
  private static func requireOneKind(_ rows: [TableRow]) throws {
    guard let first = rows.first(where: { $0.label?.kind != nil }), let kind = first.label?.kind else { return }
    try rows.compactMap { row -> TaskError? in
      guard let other = row.label?.kind, other != kind else { return nil }
      let place = row.file == first.file ? "line \(first.line)" : "\(first.file):\(first.line)"
      return .badRecord(
        file: row.file, line: row.line, problem: "the label is \(other.rawValue), but \(kind.rawValue) in \(place)")
    }.throwIfAny()
  }

  /// The texts and label of each row. Throws the errors of rows that are blank or too short, unless they may be left
  /// out: then it returns them. The label's column may be missing in `test` only.
  private func tableRows(
    _ bytes: [UInt8], _ file: String, _ split: Split, format: FileFormat
  ) throws -> (rows: [TableRow], leftOut: [TaskError]) {
    let table = try Table(
      bytes: bytes, file: file, format: format, delimiter: layout.style.separator(), hasHeader: layout.hasHeader,
      knownHeader: layout.testHeader)
    let isUnlabelled = !layout.hasHeader && table.header != nil
    if split != .test, !isUnlabelled, layout.label == nil {
      throw TaskError.badOption(key: "label_column", problem: "is needed for the \(split.rawValue) split")
    }
    let texts = try (isUnlabelled ? [.name("sentence")] : layout.texts).mapAll { (column) throws(TaskError) in
      try TableColumn(column).located(in: table)
    }
    let label = try (isUnlabelled ? .name("label") : layout.label).map {
      try TableColumn($0, isRequired: split != .test).located(in: table)
    }
    var rows: [TableRow] = [], problems: [TaskError] = []
    rows.reserveCapacity(table.rows.count)
    for row in table.rows {
      do throws(TaskError) {
        if row.isBlank { throw .blankLine(file: file, line: row.line) }
        var found = TableRow(file: file, line: row.line)
        for column in texts { if let text = try column.text(of: row, in: table) { found.texts.append(text) } }
        found.label = try label?.label(of: row, in: table)
        rows.append(found)
      } catch {
        problems.append(error)
      }
    }
    if !layout.leavesOutBrokenRows || problems.count * 1000 > table.rows.count { try problems.throwIfAny() }
    return (rows, problems)
  }
}

/// What stands in a row.
private struct TableRow {
  let file: String
  let line: Int
  var texts: [String] = []
  /// Nil where the file has none.
  var label: LabelCell?
}

/// A label as it stands in a file.
private struct LabelCell {
  /// As JSON writes it.
  let text: String
  /// Of JSON alone; in TSV and CSV everything is text.
  var kind: Kind?

  enum Kind: String {
    case text = "a string"
    case number = "a number"
    case truth = "true or false"
  }
}

/// A column of a table, and where it is.
struct TableColumn {
  let column: Column
  let isRequired: Bool
  /// Its number in TSV and CSV; nil in JSON, and where the header lacks it.
  private var number: Int?

  init(_ column: Column, isRequired: Bool = true) { (self.column, self.isRequired) = (column, isRequired) }

  func located(in table: Table) throws(TaskError) -> TableColumn {
    var found = self
    if table.format.isJSON {
      if case .index = column { throw .numberedColumn(file: table.file, column: column) }
      return found
    }
    found.number = table.number(of: column)
    if found.number == nil, isRequired {
      throw .missingColumn(file: table.file, column: column, header: table.header)
    }
    return found
  }

  func text(of row: Row, in table: Table) throws(TaskError) -> String? {
    if row.object != nil, case .name(let name) = column {
      return try table.text(name, of: row, isRequired: isRequired)
    }
    guard let number else { return nil }
    if let field = row.field(number) { return field }
    let name = table.header.flatMap { number < $0.count ? Column.name($0[number]) : nil } ?? column
    throw .missingField(file: table.file, line: row.line, column: "\(name)", fields: row.fieldCount)
  }

  /// The label in a row. In JSON it may be a number or a truth value too, which is named as JSON writes it.
  fileprivate func label(of row: Row, in table: Table) throws(TaskError) -> LabelCell? {
    guard let object = row.object, case .name(let name) = column else {
      return try text(of: row, in: table).map { LabelCell(text: $0) }
    }
    if let node = object[name], node.number != nil || node.bool != nil {
      return LabelCell(
        text: JSONWriter.text(node.value, pretty: false), kind: node.bool == nil ? .number : .truth)
    }
    return try table.text(name, of: row, isRequired: isRequired).map { LabelCell(text: $0, kind: .text) }
  }
}
