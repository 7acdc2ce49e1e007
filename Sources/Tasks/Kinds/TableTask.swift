import Metrics

extension Task {
  /// A table of one's own: TSV, or CSV, JSONL or JSON by the file's ending.
  public static let table: Task = {
    var task = Task(
      "tsv", summary: "A table of your own: TSV, or CSV, JSONL or JSON by its ending",
      files: [.train: [], .validation: [], .test: []], labels: .inTrainingFile,
      metrics: [.accuracy, .pearson, .spearman]
    ) { opening in
      let options = opening.options, texts = options.textColumns ?? []
      var problems = FileProblems(file: opening.task.name)
      if !(1...2).contains(texts.count) { problems.add(.textColumnCount(texts.count)) }
      for column in texts + [options.labelColumn].compactMap({ $0 }) {
        switch column {
        case .name: if !options.hasHeader { problems.add(.nameWithoutHeader(column)) }
        case .index(let index): if index < 0 { problems.add(.negativeColumn(index)) }
        }
      }
      try problems.throwIfAny()
      let layout = TableLayout(texts: texts, label: options.labelColumn, hasHeader: options.hasHeader)
      return try TableReader(layout).open(
        opening, labels: opening.knownLabels ?? TableReader(layout).labels(in: opening.file(.train)))
    }
    task.options = [.textColumns, .labelColumn, .hasHeader]
    task.requiredOptions = [.textColumns, .labelColumn]
    return task
  }()
}

/// Reads labelled texts from the rows of tables.
struct TableReader: Sendable {
  let layout: TableLayout

  init(_ layout: TableLayout) { self.layout = layout }

  func open(_ opening: TaskOpening, labels: LabelSpace) -> TaskReader {
    var reader = TaskReader(labels: labels, objective: opening.task.objective(for: labels)) { request in
      try read(readFile(request.path), request.path, labels, request.split, limit: request.limit)
    } predict: { input in
      guard input.isTable(layout) else {
        return SplitData(try input.lines(asPairs: layout.isPair), file: input.name, labels: labels)
      }
      return try read(input.bytes, input.name, labels, .test)
    }
    reader.isPair = layout.isPair
    return reader
  }

  /// The labels that stand in a training file.
  func labels(in path: String) throws -> LabelSpace {
    let reader = try ColumnReader(bytes: readFile(path), file: path, layout, split: .train)
    let (labels, _) = try reader.map { row in row.label.map { (text: $0, line: row.line) } }
    return try .found(in: labels.compactMap { $0 }, file: path)
  }

  private func read(
    _ bytes: [UInt8], _ file: String, _ labels: LabelSpace, _ split: Split, limit: Int = .max
  ) throws -> SplitData {
    let reader = LabelReader(labels, file: file)
    var problems = FileProblems(file: file)
    let (examples, skipped) = try ColumnReader(bytes: bytes, file: file, layout, split: split).map { row in
      var label: Label?
      if let text = row.label, split != .test || !text.isEmpty {
        switch reader.label(text, line: row.line) {
        case .success(let read): label = read
        case .failure(let problem): problems.add(problem)
        }
      }
      return Example(text: row.text, pair: row.pair, label: label, line: row.line)
    }
    try problems.throwIfAny()
    return SplitData(examples.prefix(limit), file: file, labels: labels, skipped: skipped)
  }
}
