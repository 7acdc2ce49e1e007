import Metrics
import StrictJSON

extension Task {
  /// A table of one's own: TSV, or CSV, JSONL or JSON by the file's ending.
  public static let table = Task(
    "tsv", summary: "A table of your own: TSV, or CSV, JSONL or JSON by its ending",
    files: [.train: [], .validation: [], .test: []], labels: .inTrainingFile,
    metrics: [.accuracy, .pearson, .spearman], options: [.textColumns, .labelColumn, .hasHeader],
    requiredOptions: [.textColumns, .labelColumn]
  ) { opening in
    let options = opening.options, texts = options.textColumns ?? []
    var problems: [TaskError] = (1...2).contains(texts.count) ? [] : [.textColumnCount(texts.count)]
    for column in texts + [options.labelColumn].compactMap({ $0 }) {
      switch column {
      case .name: if !options.hasHeader { problems.append(.nameWithoutHeader(column)) }
      case .index(let index): if index < 0 { problems.append(.negativeColumn(index)) }
      }
    }
    try problems.throwIfAny()
    let reader = TableReader(
      layout: TableLayout(texts: texts, label: options.labelColumn, hasHeader: options.hasHeader))
    return try reader.open(opening, labels: opening.knownLabels ?? reader.labels(in: opening.file(.train)))
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
  /// Nil: as the file's ending tells, else TSV.
  var format: FileFormat?
  /// The first line of unlabelled files, where their layout differs.
  var testHeader: [String]?
  /// Whether rare broken rows are left out and reported, if they are at most 1 in 1,000.
  var leavesOutBrokenRows = false
}

/// Reads labelled texts from the rows of tables.
struct TableReader: Sendable {
  let layout: TableLayout

  func open(_ opening: TaskOpening, labels: LabelSpace) -> TaskReader {
    let isPair = layout.texts.count == 2
    var reader = TaskReader(labels: labels, objective: opening.task.objective(for: labels)) { request in
      try read(readFile(request.path), request.path, labels, request.split, limit: request.limit)
    } predict: { input in
      guard input.isTable(layout) else {
        return SplitData(try input.lines(asPairs: isPair), file: input.name, labels: labels)
      }
      return try read(input.bytes, input.name, labels, .test)
    }
    reader.isPair = isPair
    return reader
  }

  /// The labels of a training file.
  func labels(in path: String) throws -> LabelSpace {
    let records = try records(readFile(path), path, .train).records
    return try .found(in: records.compactMap { record in record.label.map { ($0, record.line) } }, file: path)
  }

  private func read(
    _ bytes: [UInt8], _ file: String, _ labels: LabelSpace, _ split: Split, limit: Int = .max
  ) throws -> SplitData {
    let reader = LabelReader(labels, file: file), (records, leftOut) = try records(bytes, file, split)
    let examples = try records.mapAll { (record) throws(TaskError) in
      let text = record.label.flatMap { split == .test && $0.isEmpty ? nil : $0 }
      let label: Label? = if let text { try reader.label(text, line: record.line) } else { nil }
      return Example(text: record.texts[0], pair: record.texts.dropFirst().first, label: label, line: record.line)
    }
    return SplitData(examples.prefix(limit), file: file, labels: labels, skipped: leftOut)
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
      bytes: bytes, file: file, format: layout.format ?? FileFormat(ending: file) ?? .tsv,
      hasHeader: layout.hasHeader, knownHeader: layout.testHeader)
    let isUnlabelled = !layout.hasHeader && table.header != nil
    if split != .test, !isUnlabelled, layout.label == nil { throw TaskError.labelColumnMissing(split: split) }
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

/// A column of a table that is read.
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
