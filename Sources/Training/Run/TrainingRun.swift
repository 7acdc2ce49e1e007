import Adapters
import Configuration
import Models
import RunStore
import Tasks

/// `swift-peft train`: a config's run from its checks to its files and its row in the database.
///
/// Nothing on disk changes before every input has been read and checked.
public struct TrainingRun {
  /// Model, data and tokenizer.
  public let run: LoadedRun
  /// The loop over the loaded data.
  public private(set) var trainer: Trainer
  /// What a person should know before the run starts.
  public let notices: [String]
  private let overwrite: Bool

  /// Loads and checks everything that `config` names.
  public init(_ config: RunConfig, threads: Int, overwrite: Bool) throws {
    let plan = try RunPlan(config)
    let run = try LoadedRun(plan, threads: threads)
    self.run = run
    self.overwrite = overwrite
    try OutputDirectory(config.outputDir).refuseIfTaken(overwrite: overwrite)

    let train = try run.load(.train)
    guard !train.items.isEmpty else { throw RunError.noExamples(file: try run.task.file(.train)) }
    let evaluationSets = try run.evaluationSets()
    var notices =
      run.model.notices + run.notices
      + (try EvaluationSplits(run.task, strategy: config.training.evalStrategy).notices)
      + train.leftOut + evaluationSets.flatMap(\.data.leftOut)
    let steps = BatchPlan(
      examples: train.items.count, batchSize: config.training.trainBatchSize,
      accumulation: config.training.gradientAccumulationSteps
    ).totalSteps(epochs: config.training.numTrainEpochs, maxSteps: config.training.maxSteps)
    let state = try run.freshState(notices: &notices)
    self.notices = notices
    trainer = Trainer(
      state: state, engine: run.engine(scale: plan.scale), config: config.training, train: train,
      evaluationSets: evaluationSets, metrics: run.task.metrics, merging: try plan.merging(totalSteps: steps),
      philox: run.philox)
  }

  /// What a run left behind.
  public struct Summary: Sendable {
    /// The run's row in the database.
    public let runID: Int64
    /// Optimiser steps done.
    public let step: Int
    /// Scores of every split.
    public let reports: [EvaluationReport]
    /// Distinct numbers of the adapter at the end, after merges.
    public let adapterParameters: Int
    /// Those and the head's.
    public let trainableParameters: Int
    /// Whether `shouldStop` ended it.
    public let wasInterrupted: Bool
  }

  /// Trains, writes the output directory, and keeps the database's row in step: files first, rows after.
  public mutating func execute(
    shouldStop: () -> Bool = { false }, onEvent: (TrainingEvent) throws -> Void
  ) throws -> Summary {
    let config = run.plan.config
    let store = try RunStore(path: config.database)
    let output = OutputDirectory(config.outputDir)
    try output.refuseIfTaken(overwrite: overwrite)
    // The row comes first only here: a database that takes no row must not cost an earlier run its files.
    let id = try store.beginRun(newRun())
    do {
      try output.prepare(overwrite: overwrite)
      try output.write(config: config)
      let outcome = try trainer.run(shouldStop: shouldStop) { event in
        try Self.record(event, in: store, run: id)
        try onEvent(event)
      }
      let stored = run.stored(trainer.state)
      try output.write(adapter: stored)
      try output.write(results: outcome.reports)
      try store.finishRun(id, status: outcome.wasInterrupted ? .interrupted : .completed, parameters: parameters)
      return Summary(
        runID: id, step: trainer.state.step, reports: outcome.reports, adapterParameters: parameters.adapter,
        trainableParameters: parameters.trainable, wasInterrupted: outcome.wasInterrupted)
    } catch {
      // The training error is what the person must see, also where the database cannot be told of it.
      try? store.finishRun(id, status: .failed)
      throw error
    }
  }

  /// The sizes at present.
  public var parameters: ParameterCounts {
    let adapter = trainer.state.table.parameterCount
    let head = trainer.state.head.map(\.count).reduce(0, +)
    return ParameterCounts(
      adapter: adapter, trainable: adapter + head,
      total: ModelGeometry(run.plan.model).totalParameters(labels: run.task.labels?.outputs) + adapter)
  }

  private func newRun() -> NewRun {
    let config = run.plan.config
    return NewRun(
      name: config.name, model: config.model, modelType: run.plan.model.family.rawValue,
      task: config.task.name.rawValue, strategy: config.adapter.strategy, r: config.adapter.r,
      loraAlpha: config.adapter.loraAlpha, seed: config.training.seed, precision: config.training.precision.rawValue,
      threads: run.pool.threads, parameters: parameters, config: config.jsonText(), outputDir: config.outputDir,
      version: ProductVersion.current)
  }

  private static func record(_ event: TrainingEvent, in store: RunStore, run: Int64) throws {
    switch event {
    case .log(let report):
      try store.record(
        run: run,
        metrics: report.metrics.map {
          MetricRecord(step: report.step, epoch: report.epoch, split: .train, name: $0.name, value: $0.value)
        })
    case .evaluated(let report):
      guard let split = MetricSplit(rawValue: report.split.rawValue) else { return }
      try store.record(
        run: run,
        metrics: report.metrics.map {
          MetricRecord(step: report.step, epoch: report.epoch, split: split, name: $0.name, value: $0.value)
        })
    case .merged(let event):
      try store.recordMerge(
        run: run,
        MergeRecord(
          step: event.step, module: event.module, lowerLayer: event.lowerLayer, upperLayer: event.upperLayer,
          distance: event.distance, groupsLeft: event.groupsLeft))
    case .step, .notice: break
    }
  }
}

/// The version of this program.
public enum ProductVersion {
  /// As `--version` prints it.
  public static let current = "0.1.0"
}
