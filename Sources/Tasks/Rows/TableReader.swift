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
  /// What labels are, where the config says it.
  var problem: ProblemType?
  /// What stands between the labels of a cell, where there may be several.
  var labelSeparator: String?

  func open(_ opening: TaskOpening, labels: LabelSpace) throws -> TaskReader {
    let isPair = layout.texts.count == 2
    var reader = TaskReader(labels: labels, objective: try opening.objective(for: labels)) { request in
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
    let cells = rows.compactMap(\.label)
    try cells.requireOneKind()
    return try .found(in: cells, problem: problem)
  }

  private func examples(_ rows: [TableRow], _ labels: LabelSpace, _ split: Split) throws -> [Example] {
    try rows.compactMap(\.label).requireOneKind()
    let reader = LabelReader(labels, names: names)
    let found =
      try split == .test
      ? reader.testLabels(rows.map(\.label))
      : rows.mapAll { (row) throws(TaskError) in if let cell = row.label { try reader.label(cell) } else { nil } }
    return zip(rows, found).map { row, label in
      Example(text: row.texts[0], pair: row.texts.dropFirst().first, label: label, file: row.file, line: row.line)
    }
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
    if problem == .multiLabel, !format.isJSON, labelSeparator == nil, label?.isThere ?? false {
      throw TaskError.badOption(
        key: "label_separator",
        problem: "is needed to find several labels in \(file), which is read as \(format.rawValue)")
    }
    var rows: [TableRow] = [], problems: [TaskError] = []
    rows.reserveCapacity(table.rows.count)
    for row in table.rows {
      do throws(TaskError) {
        if row.isBlank { throw .blankLine(file: file, line: row.line) }
        var found = TableRow(file: file, line: row.line)
        for column in texts { if let text = try column.text(of: row, in: table) { found.texts.append(text) } }
        found.label = try label?.label(of: row, in: table, problem, separator: labelSeparator)
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

/// A column of a table, and where it is.
struct TableColumn {
  let column: Column
  let isRequired: Bool
  /// Its number in TSV and CSV; nil in JSON, and where the header lacks it.
  private var number: Int?

  /// Whether the table has it.
  var isThere: Bool { number != nil }

  init(_ column: Column, isRequired: Bool = true) { (self.column, self.isRequired) = (column, isRequired) }

  func located(in table: Table) throws(TaskError) -> TableColumn {
    var found = self
    if table.format.isJSON {
      if case .index = column { throw .numberedColumn(file: table.file, column: column) }
      return found
    }
    if case .name(let name) = column, (table.header ?? []).count(where: { ExactText($0) == ExactText(name) }) > 1 {
      throw .badRecord(file: table.file, line: 1, problem: "the header has the column \(column) more than once")
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

  /// The label in a row. In JSON it may be a number or a truth value too, which is named as JSON writes it; with several
  /// labels it is a list of those, or in a table a field that `separator` divides.
  func label(
    of row: Row, in table: Table, _ problem: ProblemType?, separator: String?
  ) throws(TaskError) -> LabelCell? {
    let file = table.file, line = row.line, isSet = problem == .multiLabel
    guard let object = row.object, case .name(let name) = column else {
      guard let text = try text(of: row, in: table) else { return nil }
      var texts = [text]
      if isSet, let separator { texts = text.isEmpty ? [] : text.components(exactlySeparatedBy: separator) }
      for text in texts where isSet && (text.first?.isWhitespace ?? false || text.last?.isWhitespace ?? false) {
        let problem = "the label \"\(text.clipped)\" begins or ends with a space, which label_separator may lack"
        throw .badRecord(file: file, line: line, problem: problem)
      }
      return LabelCell(texts: texts, file: file, line: line)
    }
    func bad(_ problem: String) -> TaskError { .badRecord(file: file, line: line, problem: problem) }
    guard let node = object[name], !node.isNull else {
      if isRequired { throw bad("\(name) is missing") }
      return nil
    }
    if let nodes = node.array {
      guard isSet else { throw bad("\(name) is a list, which needs problem_type multi_label_classification") }
      let values = nodes.compactMap(Self.scalar)
      guard values.count == nodes.count, Set(values.map(\.kind)).count < 2 else {
        throw bad("\(name) must be a list of strings or of numbers")
      }
      return LabelCell(texts: values.map(\.text), kind: values.first?.kind, file: file, line: line)
    }
    if isSet { throw bad("\(name) must be a list of labels, not \(node.kind)") }
    guard let value = Self.scalar(node) else { throw bad("\(name) must be a string, not \(node.kind)") }
    return LabelCell(texts: [value.text], kind: value.kind, file: file, line: line)
  }

  private static func scalar(_ node: JSONNode) -> (text: String, kind: LabelCell.Kind)? {
    if let text = node.string { return (text, .text) }
    if node.number == nil, node.bool == nil { return nil }
    return (JSONWriter.text(node.value, pretty: false), node.bool == nil ? .number : .truth)
  }
}

extension String {
  /// The parts between occurrences of `separator`, compared by code points.
  fileprivate func components(exactlySeparatedBy separator: String) -> [String] {
    Array(utf8).split(separator: Array(separator.utf8), omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }
  }
}
