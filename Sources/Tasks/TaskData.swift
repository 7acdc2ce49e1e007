import Foundation
import Metrics

/// A task ready to load: definition, labels and files.
///
///     let task = try TaskData(TaskSource(name: "sst2", dataDirectory: "data/SST-2"))
///     let train = try task.load(.train)
public struct TaskData: Sendable {
  /// What the config asks for.
  public let source: TaskSource
  /// Columns, files and metrics.
  public let definition: TaskDefinition
  /// The labels, in the order of the head's outputs.
  public let labels: LabelSpace
  /// What the task is scored by, the primary metric first.
  public var metrics: [Metric] { definition.metrics(for: labels) }

  /// Checks the source. The labels of `tsv` come from the training file, the whole of it, unless they are given.
  ///
  /// `knownLabels` are those of a saved head. A GLUE task takes their order, if they are its own.
  public init(_ source: TaskSource, knownLabels: LabelSpace? = nil) throws {
    self.source = source
    definition = try source.definition()
    guard let own = definition.labels else {
      labels = try knownLabels ?? Self.foundLabels(source, definition)
      return
    }
    labels = knownLabels ?? own
    if !Self.same(labels, own) { throw TaskError.otherLabels(task: definition.name, given: labels, expected: own) }
  }

  private static func same(_ one: LabelSpace, _ other: LabelSpace) -> Bool {
    if case .classes(let names) = one, case .classes(let others) = other { return names.sorted() == others.sorted() }
    return one == other
  }

  private static func foundLabels(_ source: TaskSource, _ definition: TaskDefinition) throws -> LabelSpace {
    let text = try TextLines(path: file(.train, source, definition))
    let (labels, _) = try RowReader(text, definition, split: .train).map { row in row.label.map { ($0, row.line) } }
    return try .found(in: labels.compactMap { $0 }, file: text.file)
  }

  /// The splits whose files are there, `train` first.
  public var availableSplits: [Split] {
    definition.splits.filter { (try? file($0)) != nil }
  }

  /// The file of `split`. Throws where the task has none.
  public func file(_ split: Split) throws -> String { try Self.file(split, source, definition) }

  private static func file(_ split: Split, _ source: TaskSource, _ definition: TaskDefinition) throws -> String {
    guard let names = definition.files[split] else {
      throw TaskError.noSuchSplit(task: definition.name, split: split, splits: definition.splits)
    }
    let candidates: [String]
    if let own = source.ownFile(split) {
      candidates = [own]
    } else if let directory = source.dataDirectory {
      candidates = names.map { directory.hasSuffix("/") ? directory + $0 : "\(directory)/\($0)" }
    } else {
      throw TaskError.noFileGiven(task: definition.name, split: split)
    }
    if let file = candidates.first(where: FileManager.default.fileExists(atPath:)) { return file }
    throw TaskError.missingFile(file: candidates[0], task: definition.name, split: split)
  }

  /// The examples of `split`: the first `max_*_samples`, or all. The whole file is checked either way.
  ///
  /// Labels are required in `train` and the validation splits; in `test` they are read where the file has them.
  public func load(_ split: Split) throws -> Dataset {
    try dataset(TextLines(path: file(split)), split: split, limit: source.limit(split))
  }

  /// The examples of a text in the layout of the task's files, such as one to predict.
  ///
  /// `name` names the text in errors.
  public func load(bytes: [UInt8], name: String, as split: Split = .test) throws -> Dataset {
    try dataset(TextLines(bytes: bytes, file: name), split: split, limit: nil)
  }

  private func dataset(_ text: TextLines, split: Split, limit: Int?) throws -> Dataset {
    let reader = LabelReader(labels, file: text.file)
    var problems = ProblemList(file: text.file)
    let (examples, skipped) = try RowReader(text, definition, split: split).map { row in
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
    return Dataset(
      examples: limit.map { Array(examples.prefix($0)) } ?? examples, split: split, file: text.file, skipped: skipped)
  }

  /// One example a line, for plain texts without a header: the whole line, or for pairs two fields and one TAB.
  ///
  /// `name` names the text in errors.
  public func plainExamples(bytes: [UInt8], name: String) throws -> Dataset {
    let text = try TextLines(bytes: bytes, file: name)
    var problems = ProblemList(file: name)
    let examples = text.lines.enumerated().map { number, bytes in
      let row = TSVRow(line: number + 1, bytes: bytes)
      guard definition.isPair else { return Example(text: String(decoding: bytes, as: UTF8.self), line: row.line) }
      if row.fieldCount != 2 {
        problems.add(.notAPair(file: name, line: row.line, fields: row.fieldCount))
      }
      return Example(text: row.field(0) ?? "", pair: row.field(1) ?? "", line: row.line)
    }
    try problems.throwIfAny()
    return Dataset(examples: examples, split: .test, file: name, skipped: [])
  }
}
