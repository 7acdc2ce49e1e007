import Metrics
import StrictJSON

extension Task {
  /// A table of one's own: TSV, or CSV, JSONL or JSON by the file's ending.
  public static let table = Task(
    "tsv", summary: "A table of your own: TSV, or CSV, JSONL or JSON by its ending",
    files: [.train: [], .validation: [], .test: []], labels: .inTrainingFile,
    metrics: [.accuracy, .pearson, .spearman],
    options: [.textColumns, .labelColumn, .hasHeader, .fileFormat, .delimiter],
    requiredOptions: [.textColumns, .labelColumn]
  ) { opening in
    let options = opening.options, texts = options.textColumns ?? []
    var problems: [TaskError] = []
    if !(1...2).contains(texts.count) {
      problems.append(.badOption(key: "text_columns", problem: "must be one or two columns, found \(texts.count)"))
    }
    for (key, column) in texts.map({ ("text_columns", $0) })
      + [options.labelColumn].compactMap({ $0 }).map({ ("label_column", $0) })
    {
      switch column {
      case .name(let name) where !options.hasHeader:
        problems.append(
          .badOption(key: key, problem: "without a header, a column is a 0-based number, not \"\(name)\""))
      case .index(let index) where index < 0:
        problems.append(.badOption(key: key, problem: "a column's number is 0 or more, found \(index)"))
      default: break
      }
    }
    try problems.throwIfAny()
    let reader = TableReader(
      layout: TableLayout(
        texts: texts, label: options.labelColumn, hasHeader: options.hasHeader, style: options.tableStyle))
    return try reader.open(opening, labels: opening.knownLabels ?? reader.labels(in: opening.files(.train)))
  }
}

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

struct TableReader: Sendable {
  let layout: TableLayout

  func open(_ opening: TaskOpening, labels: LabelSpace) -> TaskReader {
    let isPair = layout.texts.count == 2
    var reader = TaskReader(labels: labels, objective: opening.task.objective(for: labels)) { request in
      let files = try request.paths.map { try read(readFile($0), $0, labels, request.split) }
      return SplitData(
        files.flatMap(\.examples).prefix(request.limit), files: request.paths, labels: labels,
        skipped: files.flatMap(\.leftOut))
    } predict: { input in
      guard input.isTable(layout) else {
        return SplitData(try input.lines(asPairs: isPair), files: [input.name], labels: labels)
      }
      let (examples, leftOut) = try read(input.bytes, input.name, labels, .test)
      return SplitData(examples, files: [input.name], labels: labels, skipped: leftOut)
    }
    reader.isPair = isPair
    return reader
  }

  /// The labels of the training files.
  func labels(in paths: [String]) throws -> LabelSpace {
    try .found(
      in: paths.flatMap { path in
        try records(readFile(path), path, .train).records.compactMap { record in
          record.label.map { (text: $0, file: path, line: record.line) }
        }
      })
  }

  private func read(
    _ bytes: [UInt8], _ file: String, _ labels: LabelSpace, _ split: Split
  ) throws -> (examples: [Example], leftOut: [TaskError]) {
    let reader = LabelReader(labels, file: file), (records, leftOut) = try records(bytes, file, split)
    let examples = try records.mapAll { (record) throws(TaskError) in
      let text = record.label.flatMap { split == .test && $0.isEmpty ? nil : $0 }
      let label: Label? = if let text { try reader.label(text, line: record.line) } else { nil }
      return Example(
        text: record.texts[0], pair: record.texts.dropFirst().first, label: label, file: file, line: record.line)
    }
    return (examples, leftOut)
  }

  private struct Record {
    let line: Int
    var texts: [String] = []
    var label: String?
  }

  /// The texts and label of each row. Throws the errors of rows that are blank or too short, unless they may be left
  /// out: then it returns them. The label's column may be missing in `test` only.
  private func records(
    _ bytes: [UInt8], _ file: String, _ split: Split
  ) throws -> (records: [Record], leftOut: [TaskError]) {
    let table = try Table(
      bytes: bytes, file: file, format: layout.style.format(of: file, otherwise: .tsv),
      delimiter: layout.style.separator(), hasHeader: layout.hasHeader, knownHeader: layout.testHeader)
    let isUnlabelled = !layout.hasHeader && table.header != nil
    if split != .test, !isUnlabelled, layout.label == nil {
      throw TaskError.badOption(key: "label_column", problem: "is needed for the \(split.rawValue) split")
    }
    var columns = (isUnlabelled ? [.name("sentence")] : layout.texts).map { TableColumn(column: $0) }
    if let label = isUnlabelled ? .name("label") : layout.label {
      columns.append(TableColumn(column: label, isLabel: true, isRequired: split != .test))
    }
    columns = try columns.mapAll { (column) throws(TaskError) in try column.located(in: table) }
    var records: [Record] = [], problems: [TaskError] = []
    records.reserveCapacity(table.rows.count)
    for row in table.rows {
      do throws(TaskError) {
        if row.isBlank { throw .blankLine(file: file, line: row.line) }
        var record = Record(line: row.line)
        for column in columns {
          guard let text = try column.text(of: row, in: table) else { continue }
          if column.isLabel { record.label = text } else { record.texts.append(text) }
        }
        records.append(record)
      } catch {
        problems.append(error)
      }
    }
    if !layout.leavesOutBrokenRows || problems.count * 1000 > table.rows.count { try problems.throwIfAny() }
    return (records, problems)
  }
}

private struct TableColumn {
  let column: Column
  var isLabel = false
  var isRequired = true
  /// Its number in TSV and CSV; nil in JSON, and where the header lacks it.
  private(set) var number: Int?

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
    if let object = row.object, case .name(let name) = column {
      // A label may be a number or a truth value too; it is named as JSON writes it.
      if isLabel, let node = object[name], node.number != nil || node.bool != nil {
        return JSONWriter.text(node.value, pretty: false)
      }
      return try table.text(name, of: row, isRequired: isRequired)
    }
    guard let number else { return nil }
    if let field = row.field(number) { return field }
    let name = table.header.flatMap { number < $0.count ? Column.name($0[number]) : nil } ?? column
    throw .missingField(file: table.file, line: row.line, column: "\(name)", fields: row.fieldCount)
  }
}
