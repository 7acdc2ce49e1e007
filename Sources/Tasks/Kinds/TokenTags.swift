import Diagnostics
import Metrics

extension Task {
  /// A tag for every word of a sentence: named entities, parts of speech.
  public static let tokenClassification: Task = {
    var task = Task(
      "token-classification", summary: "A tag for each word: CoNLL's columns, JSONL or JSON",
      files: [.train: [], .validation: [], .test: []], labels: .inTrainingFile,
      metrics: [.entityF1, .entityPrecision, .entityRecall, .accuracy],
      options: [.textColumns, .labelColumn, .hasHeader, .fileFormat, .labelNames, .validationSplit]
    ) { opening in
      let source = try TagSource(opening)
      let labels = try source.labels(opening)
      return source.reader(labels, objective: TokenClassification(tags: labels.names, metrics: opening.task.metrics))
    }
    task.headKind = .tokens
    return task
  }()
}

/// The files of a run with tags, and how they are written.
private struct TagSource: Sendable {
  let reader: SentenceReader
  let labelNames: [String]?

  init(_ opening: TaskOpening) throws {
    let options = opening.options
    if let columns = options.textColumns, columns.count != 1 {
      throw TaskError.badOption(
        key: "text_columns", problem: "must be one column, that of the words, found \(columns.count)")
    }
    reader = SentenceReader(words: options.textColumns?.first, tags: options.labelColumn, format: options.fileFormat)
    labelNames = options.labelNames
    guard let names = labelNames else { return }
    if names.count < 2 { throw TaskError.badOption(key: "label_names", problem: "must be two names or more") }
    if let name = names.firstRepeated {
      throw TaskError.badOption(key: "label_names", problem: "has \"\(name.clipped)\" twice")
    }
  }

  /// Those of a saved head, those that the config lists, or those in the training files, in the order of their code
  /// points, as transformers' `run_ner.py` sorts them.
  func labels(_ opening: TaskOpening) throws -> LabelSpace {
    if let labelNames { return try opening.ordered(.classes(labelNames)) }
    if let known = opening.knownLabels { return known }
    return try .classes(TagNames.found(in: opening.files(.train).map { try read($0, needsTags: true) }))
  }

  private func read(_ path: String, needsTags: Bool) throws -> SentenceFile {
    try reader.read(readFile(path), file: path, needsTags: needsTags)
  }

  func reader(_ labels: LabelSpace, objective: any Objective) -> TaskReader {
    let tags = TagNames(labels.names, listed: labelNames)
    return TaskReader(labels: labels, objective: objective) { request in
      let files = try request.paths.map { try read($0, needsTags: request.split != .test) }
      // No sentence belongs to one class: a share that is held back is drawn from all alike.
      let (sentences, notes) = try request.chosen(files.flatMap(tags.sentences)) { _ in 0 }
      return SplitData(sentences, files: request.paths, labels: labels, notices: files.flatMap(\.notices) + notes)
    } predict: { input in
      let file = try input.sentences(reader, tags: labels.names)
      return SplitData(
        try tags.sentences(file), files: [input.name], labels: labels, notices: file.notices, inPieces: true)
    }
  }
}

/// Tags by name and number, compared by code points.
struct TagNames: Sendable {
  private let names: [String]
  private let numbers: [ExactText: Int]
  /// The names that numbers in files mean: those that the config lists.
  private let listed: [String]?

  /// `names` in the order of the head's outputs.
  init(_ names: [String], listed: [String]?) {
    (self.names, self.listed) = (names, listed)
    numbers = Dictionary(names.enumerated().map { (ExactText($1), $0) }) { first, _ in first }
  }

  /// The names in `files`, sorted by code points.
  static func found(in files: [SentenceFile]) throws -> [String] {
    var found: Set<ExactText> = [], problems: [TaskError] = []
    for file in files {
      for sentence in file.sentences {
        for (index, tag) in (sentence.tags ?? []).enumerated() {
          switch tag {
          case .name(let name): found.insert(ExactText(name))
          case .number(let number):
            problems.append(.tagNumber(file: file.file, line: sentence.line(of: index), number: number))
          }
        }
      }
    }
    try problems.throwIfAny()
    let names = found.sorted().map(\.text)
    if names.count == 1, let file = files.first { throw TaskError.oneClass(file: file.file, label: names[0]) }
    return names
  }

  /// The sentences with the numbers of their tags. Throws for tags that are not known, and where names and numbers
  /// are mixed.
  func sentences(_ file: SentenceFile) throws -> [TaggedSentence] {
    var usesNumbers: Bool?
    return try file.sentences.mapAll { (sentence) throws(TaskError) in
      let tags = try sentence.tags?.enumerated().map { (index, tag) throws(TaskError) -> Int in
        let line = sentence.line(of: index)
        if case .number = tag, usesNumbers == false {
          throw .badRecord(file: file.file, line: line, problem: "a tag's number, but tags before it are names")
        }
        if case .name = tag, usesNumbers == true {
          throw .badRecord(file: file.file, line: line, problem: "a tag's name, but tags before it are numbers")
        }
        switch tag {
        case .name(let name):
          usesNumbers = false
          guard let number = numbers[ExactText(name)] else {
            throw .unknownLabel(file: file.file, line: line, label: name, known: names)
          }
          return number
        case .number(let number):
          usesNumbers = true
          guard let listed else { throw .tagNumber(file: file.file, line: line, number: number) }
          guard listed.indices.contains(number), let output = numbers[ExactText(listed[number])] else {
            throw .unknownLabel(file: file.file, line: line, label: String(number), known: listed)
          }
          return output
        }
      }
      return TaggedSentence(words: sentence.words, tags: tags, file: file.file, line: sentence.line)
    }
  }
}
