import Adapters
import Checkpoints
import Configuration
import Diagnostics
import Kernels
import Metrics
import Models
import Tasks
import Tokenizers

/// `swift-peft train --dry-run`: everything that a run checks before its first step, and what it would do.
///
/// Weights, tokenizer and data that are not there are listed instead of refused, so that a config can be checked where
/// only the model's `config.json` is at hand. Whatever is there is checked as a real run checks it. Nothing is written.
public struct DryRun: Sendable {
  /// What the config means.
  public let plan: RunPlan
  /// Worker threads.
  public let threads: Int
  /// Outputs of the head; nil where they come from a file that is missing.
  public let outputs: Int?
  /// Training examples; nil where their file is missing.
  public let trainExamples: Int?
  /// Optimiser steps of an epoch; nil where unknown.
  public let stepsPerEpoch: Int?
  /// Optimiser steps of the run; nil where unknown.
  public let totalSteps: Int?
  /// Steps of linear warm-up; nil where unknown.
  public let warmupSteps: Int?
  /// ASLoRA's merge steps; nil for other strategies and where unknown.
  public let mergeSteps: [Int]?
  /// What the run would take.
  public let memory: MemoryEstimate
  /// Inputs that are not there, each with what was looked for.
  public let missing: [String]
  /// What a person should know.
  public let notices: [String]

  /// Checks the run that `config` describes. Throws what a real run would, except for missing inputs.
  public init(_ config: RunConfig, threads: Int, start: RunStart) throws {
    var checks = DryRunChecks()
    let plan = try RunPlan(config)
    self.plan = plan
    self.threads = threads
    let pool = WorkerPool(threads: threads)
    let task = try checks.unlessMissing { try RunTask(config.task, model: plan.modelDirectory) }
    let labels = task?.labels?.outputs ?? (config.task.name.isLanguageModelling ? 0 : 2)
    outputs = task.map { $0.labels?.outputs ?? 0 }
    let tokenizer = try checks.unlessMissing {
      try Tokenizer(modelDirectory: plan.modelDirectory, modelType: plan.model.modelType)
    }
    let philox = Philox(seed: UInt64(truncatingIfNeeded: config.training.seed))
    let model = try checks.unlessMissing { () -> LoadedModel in
      config.task.name.isLanguageModelling
        ? .language(try LanguageModel(path: plan.modelDirectory, config: plan.model))
        : .classifier(
          try LoadedClassifier(path: plan.modelDirectory, config: plan.model, labels: labels, philox: philox))
    }
    try OutputDirectory(config.outputDir).refuseIfTaken(overwrite: start != .fresh)

    let data = try DryRunData(task, tokenizer, plan: plan, pool: pool, checks: &checks)
    trainExamples = data.trainExamples
    if let directory = config.adapter.initFrom {
      let source = try checks.unlessMissing { try AdapterSource.read(directory, plan: plan) }
      _ = try source?.expanded.initialise(plan.table)
    }

    let training = config.training
    let batches = trainExamples.map {
      BatchPlan(
        examples: $0, batchSize: training.trainBatchSize, accumulation: training.gradientAccumulationSteps)
    }
    stepsPerEpoch = batches?.stepsPerEpoch
    let steps =
      training.maxSteps > 0
      ? training.maxSteps : batches?.totalSteps(epochs: training.numTrainEpochs, maxSteps: training.maxSteps)
    totalSteps = steps
    warmupSteps = steps.map { LearningRateSchedule(training, totalSteps: $0).warmupSteps }
    mergeSteps = try steps.flatMap { try plan.method.procedure?.steps(config.adapter.methodOptions, plan.table, $0) }
    let trainable = plan.table.parameterCount + plan.headCount(outputs: labels)
    let order = data.trainLengths.map {
      training.shuffle ? philox.permutation($0.count, epoch: 0) : Array($0.indices)
    }
    memory = try MemoryEstimate(
      plan, trainable: trainable, outputs: labels, lengths: data.trainLengths, order: order, threads: threads)
    missing = checks.missing
    var notices = (model?.notices ?? []) + data.notices
    if start == .resume {
      let newest = try CheckpointFolder(output: config.outputDir).newest()
      notices += newest?.notices ?? []
      notices.append(
        newest.map { "would resume after step \($0.checkpoint.step)" } ?? "there is no checkpoint to resume")
    }
    self.notices = notices
  }

  /// Numbers of the adapter, of all that trains, and of the whole; those with the head are nil where the labels are
  /// unknown.
  public var parameters: (adapter: Int, trainable: Int?, total: Int?) {
    let adapter = plan.table.parameterCount
    return (
      adapter, outputs.map { adapter + plan.headCount(outputs: $0) },
      outputs.map { ModelGeometry(plan.model).totalParameters(labels: $0 > 0 ? $0 : nil) + adapter }
    )
  }
}

extension RunPlan {
  func headCount(outputs: Int) -> Int {
    outputs == 0 ? 0 : HeadParameter.all(config: model, labels: outputs).map(\.count).reduce(0, +)
  }
}

/// The splits of a dry run, checked as far as they are there.
private struct DryRunData {
  private(set) var trainExamples: Int?
  /// Tokens of every training item, where the tokenizer is there too.
  private(set) var trainLengths: [Int]?
  private(set) var notices: [String] = []

  init(
    _ task: RunTask?, _ tokenizer: Tokenizer?, plan: RunPlan, pool: WorkerPool, checks: inout DryRunChecks
  ) throws {
    guard let task else { return }
    let scored = try checks.unlessMissing {
      try EvaluationSplits(task, strategy: plan.config.training.evalStrategy)
    }
    notices = scored?.notices ?? []
    for split in [.train] + (scored?.present ?? []) {
      if case .language(let language) = task {
        try load(language, split, tokenizer, plan: plan, pool: pool, checks: &checks)
        continue
      }
      guard let dataset = try checks.unlessMissing({ try task.classification?.load(split) }) ?? nil else { continue }
      notices += dataset.skipped.map { "left out: \($0)" }
      if split == .train { trainExamples = dataset.examples.count }
      guard let tokenizer else { continue }
      let encoded = EncodedDataset(
        dataset.examples, tokenizer: tokenizer, maxLength: plan.config.task.maxSeqLength,
        emptyText: plan.model.emptyText, pool: pool)
      try encoded.requireFit(plan.model, path: plan.modelDirectory)
      if split == .train { trainLengths = encoded.items.map(\.ids.count) }
    }
  }

  /// How many items a text makes is known only where the tokenizer is.
  private mutating func load(
    _ task: LanguageTaskData, _ split: Split, _ tokenizer: Tokenizer?, plan: RunPlan, pool: WorkerPool,
    checks: inout DryRunChecks
  ) throws {
    guard let tokenizer else {
      _ = try checks.unlessMissing { try task.source.path(split) }
      return
    }
    let tokens = try LanguageTokens(tokenizer, plan.model, path: plan.modelDirectory)
    guard
      let data = try checks.unlessMissing({ try task.load(split, tokens, toTrain: split == .train, pool: pool) })
    else { return }
    notices += data.leftOut
    try data.requireFit(plan.model, path: plan.modelDirectory)
    if split == .train {
      trainExamples = data.items.count
      trainLengths = data.items.map(\.ids.count)
    }
  }
}

/// Tells an input that is not there from one that is wrong.
private struct DryRunChecks {
  private(set) var missing: [String] = []

  /// The value of `body`, or nil where an input is missing, which is then noted.
  mutating func unlessMissing<Value>(_ body: () throws -> Value) throws -> Value? {
    do {
      return try body()
    } catch let error as any UserFacingError {
      let errors = (error as? ErrorList)?.errors ?? [error]
      try ErrorList.throwIfAny(errors.filter { !Self.isAbsence($0) })
      missing += errors.map(\.description)
      return nil
    }
  }

  /// Whether a file is not there; one that is there and cannot be opened is an error here as in a real run.
  private static func isAbsence(_ error: any UserFacingError) -> Bool {
    switch error {
    case TaskError.missingFile, TokenizerError.noTokenizer, CheckpointError.noWeights, CheckpointError.missingShard:
      true
    case let error as FileError: error.isAbsence
    default: false
    }
  }
}

extension FileError {
  /// Whether there is no such file, as opposed to one that cannot be opened.
  fileprivate var isAbsence: Bool { self == FileError(path: path, code: Self.noSuchFile) }
  private static let noSuchFile: Int32 = 2
}
