import Metrics

/// A task as a config asks for it: the values of its section `task`.
public struct TaskSource: Sendable, Equatable {
  /// One of `TaskDefinition.names`.
  public var name: String
  /// Holds the files under their official names.
  public var dataDirectory: String?
  /// Instead of the file in `dataDirectory`.
  public var trainFile: String?
  /// Instead of the file in `dataDirectory`.
  public var validationFile: String?
  /// Instead of the file in `dataDirectory`.
  public var testFile: String?
  /// `tsv`: the columns of the one or two texts.
  public var textColumns: [Column]
  /// `tsv`: the column of the label.
  public var labelColumn: Column?
  /// `tsv`: whether the first line names the columns.
  public var hasHeader: Bool
  /// Take only the first examples of the training split.
  public var maxTrainSamples: Int?
  /// Take only the first examples of every other split.
  public var maxEvalSamples: Int?

  /// The task called `name`, with everything else as in a config that says no more.
  public init(
    name: String, dataDirectory: String? = nil, trainFile: String? = nil, validationFile: String? = nil,
    testFile: String? = nil, textColumns: [Column] = [], labelColumn: Column? = nil, hasHeader: Bool = true,
    maxTrainSamples: Int? = nil, maxEvalSamples: Int? = nil
  ) {
    (self.name, self.dataDirectory) = (name, dataDirectory)
    (self.trainFile, self.validationFile, self.testFile) = (trainFile, validationFile, testFile)
    (self.textColumns, self.labelColumn, self.hasHeader) = (textColumns, labelColumn, hasHeader)
    (self.maxTrainSamples, self.maxEvalSamples) = (maxTrainSamples, maxEvalSamples)
  }

  /// The file that the config gives for `split` itself.
  func ownFile(_ split: Split) -> String? {
    switch split {
    case .train: trainFile
    case .validation: validationFile
    case .validationMismatched: nil
    case .test: testFile
    }
  }

  /// The first examples to take of `split`.
  func limit(_ split: Split) -> Int? { split == .train ? maxTrainSamples : maxEvalSamples }

  /// The task's definition. Throws every contradiction in the source at once.
  func definition() throws -> TaskDefinition {
    var problems = ProblemList(file: name)
    for (key, limit) in [("max_train_samples", maxTrainSamples), ("max_eval_samples", maxEvalSamples)] {
      if let limit, limit < 1 { problems.add(.sampleCount(key: key, limit)) }
    }
    if let glue = TaskDefinition.named(name) {
      if !textColumns.isEmpty || labelColumn != nil || (!hasHeader && glue.hasHeader) {
        problems.add(.columnsAreFixed(task: name))
      }
      try problems.throwIfAny()
      return glue
    }
    if name != "tsv" { throw TaskError.unknownTask(name) }
    if !(1...2).contains(textColumns.count) { problems.add(.textColumnCount(textColumns.count)) }
    for column in textColumns + [labelColumn].compactMap({ $0 }) {
      switch column {
      case .name: if !hasHeader { problems.add(.nameWithoutHeader(column)) }
      case .index(let index): if index < 0 { problems.add(.negativeColumn(index)) }
      }
    }
    try problems.throwIfAny()
    return TaskDefinition("tsv", textColumns, labelColumn, nil, nil, hasHeader: hasHeader)
  }
}
