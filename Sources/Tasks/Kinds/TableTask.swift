import Metrics

extension Task {
  /// Texts or pairs with labels in files of one's own: TSV, CSV, JSONL or JSON.
  public static let table: Task = {
    var task = Task(
      "text-classification", summary: "Texts with labels of your own: TSV, CSV, JSONL or JSON by ending",
      files: [.train: [], .validation: [], .test: []], labels: .inTrainingFile,
      metrics: [.accuracy, .pearson, .spearman],
      options: [
        .metrics, .problemType, .labelSeparator, .classWeights,
        .textColumns, .labelColumn, .hasHeader, .fileFormat, .delimiter, .validationSplit, .labelNames,
      ],
      requiredOptions: [.textColumns, .labelColumn]
    ) { opening in
      try checkColumns(opening.options)
      let options = opening.options
      let reader = TableReader(
        layout: TableLayout(
          texts: options.textColumns ?? [], label: options.labelColumn, hasHeader: options.hasHeader,
          style: options.tableStyle),
        names: options.labelNames, problem: options.problemType, labelSeparator: options.labelSeparator)
      return try reader.open(opening, labels: reader.labels(opening))
    }
    task.oldNames = ["tsv"]
    task.setMetrics = [.f1Micro, .f1Macro, .accuracy]
    return task
  }()

  private static func checkColumns(_ options: TaskOptions) throws {
    let texts = options.textColumns ?? []
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
    if let names = options.labelNames {
      if options.problemType == .regression {
        problems.append(.badOption(key: "label_names", problem: "cannot go with problem_type regression"))
      } else if names.count < 2, options.problemType != .multiLabel {
        problems.append(.badOption(key: "label_names", problem: "must be two names or more"))
      }
      if let name = names.firstRepeated {
        problems.append(.badOption(key: "label_names", problem: "has \"\(name.clipped)\" twice"))
      }
    }
    try problems.throwIfAny()
  }
}

extension TableReader {
  /// The labels of a table of one's own: those of a saved head, those that the config names, or those of the training
  /// files.
  fileprivate func labels(_ opening: TaskOpening) throws -> LabelSpace {
    if let names { return try opening.ordered(problem == .multiLabel ? .labelSets(names) : .classes(names)) }
    guard let known = opening.knownLabels else { return try labels(in: opening.files(.train)) }
    let problems: [ProblemType] =
      switch known {
      case .classes: [.singleLabel]
      case .labelSets: [.multiLabel]
      case .regression: [.regression]
      }
    if let problem, !problems.contains(problem) {
      throw TaskError.badOption(key: "problem_type", problem: "is \(problem.rawValue), but the head has \(known)")
    }
    return known
  }
}
