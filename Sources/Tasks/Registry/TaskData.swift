import Diagnostics
import Foundation
import Metrics

/// A task with its files, labels and objective, ready to be read.
///
///     var options = TaskOptions(name: "sst2")
///     options.dataDir = "data/SST-2"
///     let data = try TaskData(options)
///     let train = try data.load(.train, toTrain: true)
public struct TaskData: Sendable {
  /// The task.
  public let task: Task
  /// The section `task` of the config.
  public let options: TaskOptions
  private let reader: TaskReader

  /// Checks the options, and finds the labels: those of `tsv` in the whole training file, unless `knownLabels`, those of
  /// a saved head, are given. A task with labels of its own takes their order from the head.
  public init(
    _ task: Task, _ options: TaskOptions, modelDirectory: String? = nil, knownLabels: LabelSpace? = nil
  ) throws {
    (self.task, self.options) = (task, options)
    var problems = FileProblems(file: task.name)
    for (key, limit) in [("max_train_samples", options.maxTrainSamples), ("max_eval_samples", options.maxEvalSamples)] {
      if let limit, limit < 1 { problems.add(.sampleCount(key: key, limit)) }
    }
    let columns: [TaskOption] = [.textColumns, .labelColumn, .hasHeader]
    if columns.contains(where: { $0.isGiven(options) && !task.options.contains($0) }) {
      problems.add(.columnsAreFixed(task: task.name))
    }
    try problems.throwIfAny()
    reader = try task.open(
      TaskOpening(task: task, options: options, modelDirectory: modelDirectory, knownLabels: knownLabels))
  }

  /// The task of `tasks` that the options name.
  public init(_ options: TaskOptions, among tasks: [Task] = Task.all, knownLabels: LabelSpace? = nil) throws {
    try self.init(tasks.named(options.name), options, knownLabels: knownLabels)
  }

  /// The name in a config.
  public var name: String { task.name }

  /// The labels in the order of the head's outputs; nil without a head.
  public var labels: LabelSpace? { reader.labels }

  /// Outputs of the head; nil where a language model is trained.
  public var outputs: Int? { if case .classifier(let outputs) = objective.modelUse { outputs } else { nil } }

  /// What a model is trained for.
  public var objective: any Objective { reader.objective }

  /// What an evaluation reports, the main metric first, the loss last.
  public var metrics: [Metric] { objective.metrics }

  /// How a text becomes what a language model continues.
  public var prompts: PromptFormat { reader.prompts }

  /// Whether examples are pairs of texts.
  public var isPair: Bool { reader.isPair }

  /// The file or directory of `split`. Throws where the task has none.
  public func file(_ split: Split) throws -> String { try task.file(split, options) }

  /// The examples of `split`: the first `max_*_samples`, or all. The whole file is checked either way.
  ///
  /// Labels are required in `train` and the validation splits; in `test` they are read where the file has them.
  public func load(_ split: Split, toTrain: Bool = false) throws -> SplitData {
    try reader.read(request(split, toTrain: toTrain))
  }

  /// Texts to predict labels for; nil where the task has nothing to predict.
  public func texts(_ input: PredictionInput) throws -> SplitData? { try reader.predict?(input) }

  /// The prompts of `split` with every text that would be right; nil where no texts are scored.
  public func references(_ split: Split) throws -> PromptedDataset? {
    try reader.references?(request(split, toTrain: false))
  }

  /// Whether the task predicts labels or choices.
  public var predictsLabels: Bool { reader.predict != nil }

  private func request(_ split: Split, toTrain: Bool) throws -> SplitRequest {
    SplitRequest(split: split, path: try file(split), limit: options.limit(split) ?? .max, toTrain: toTrain)
  }
}

extension Task {
  func file(_ split: Split, _ options: TaskOptions) throws -> String {
    guard let names = files[split] else { throw TaskError.noSuchSplit(task: name, split: split, splits: splits) }
    let candidates: [String]
    if let own = options.ownFile(split) {
      candidates = [own]
    } else if let directory = options.dataDir, !names.isEmpty {
      candidates = names.map { directory.hasSuffix("/") ? directory + $0 : "\(directory)/\($0)" }
    } else {
      throw TaskError.noFileGiven(task: name, split: split)
    }
    if let file = candidates.first(where: FileManager.default.fileExists(atPath:)) { return file }
    throw TaskError.missingFile(file: candidates[0], task: name, split: split)
  }
}
