import Adapters
import Configuration
import Diagnostics
import Metrics
import Tasks

/// A trained adapter (or the bare base model) over its loaded model, to score and predict with.
public struct ScoringRun: Sendable {
  /// Model, tokenizer and task.
  public let run: LoadedRun
  /// The tensors.
  public let state: TrainableState
  /// alpha / r, or alpha / √r, of the adapter.
  public let scale: Double
  private let evaluator: Evaluator

  /// Loads the adapter in `adapterDirectory`, or with nil the base model with its head as stored, else a fresh one.
  ///
  /// The adapter's own sharing and scale count, not those of the config.
  public init(_ config: RunConfig, adapterDirectory: String?, threads: Int) throws {
    var config = config
    if adapterDirectory == nil { config.adapter.strategy = "none" }
    config.adapter.initFrom = nil
    let plan = try RunPlan(config)
    let source = try adapterDirectory.map { try AdapterSource.read($0, plan: plan) }
    run = try LoadedRun(plan, knownLabels: source?.labels, threads: threads)
    // Before texts are asked for that could not be read.
    _ = try run.tokenizer()
    guard let source, let directory = adapterDirectory else {
      var notices: [String] = []
      state = try run.freshState(notices: &notices)
      scale = 1
      evaluator = Evaluator(engine: run.engine(scale: 1), batchSize: config.training.evalBatchSize)
      return
    }
    var loaded: TrainableState
    if let native = source.native {
      loaded = TrainableState(table: native.table, head: plan.head(run.task.labels))
      for (key, values) in native.tensors { loaded[key] = values }
      scale = native.scale
    } else {
      let uniform = try source.expanded.uniform()
      loaded = TrainableState(table: uniform.table, head: plan.head(run.task.labels))
      for (key, values) in uniform.tensors { loaded[key] = values }
      scale = uniform.scale
    }
    for (index, parameter) in loaded.head.enumerated() {
      guard let stored = source.expanded.head[parameter.name] else {
        throw RunError.headMismatch(
          directory: directory, tensor: parameter.name, found: [], expected: parameter.shape)
      }
      guard stored.shape == parameter.shape else {
        throw RunError.headMismatch(
          directory: directory, tensor: parameter.name, found: stored.shape, expected: parameter.shape)
      }
      loaded[head: index] = stored.values
    }
    loaded.step = source.native?.metadata.step ?? 0
    state = loaded
    evaluator = Evaluator(engine: run.engine(scale: scale), batchSize: config.training.evalBatchSize)
  }

  /// Loads the adapter of a run. Where that is a checkpoint which the run has replaced meanwhile, the newest is taken.
  public init(_ config: RunConfig, run directory: RunDirectory, threads: Int) throws {
    var directory = directory
    for _ in 1..<CheckpointFolder.attempts {
      do {
        try self.init(config, adapterDirectory: directory.adapterPath, threads: threads)
        return
      } catch {
        if RunDirectory.isDirectory(directory.adapterPath) { throw error }
        directory = try RunDirectory(directory.path)
      }
    }
    try self.init(config, adapterDirectory: directory.adapterPath, threads: threads)
  }

  /// Scores one split.
  public func score(_ split: Split, progress: (Int, Int) -> Void = { _, _ in }) throws -> (
    report: EvaluationReport, labels: [Label?]
  ) {
    let data = try run.load(split)
    return (score(split, data, progress: progress), data.items.map(\.label))
  }

  /// Scores the examples of a split that are loaded already.
  public func score(
    _ split: Split, _ data: EncodedDataset, progress: (Int, Int) -> Void = { _, _ in }
  ) -> EvaluationReport {
    evaluator.report(
      split, data.items, metrics: run.task.metrics, state: state, epoch: 0, progress: { progress($0, data.items.count) }
    )
  }

  /// Rows of logits for `examples`.
  public func logits(_ examples: [Example]) throws -> [[Float]] {
    logits(items: try run.encode(examples).items)
  }

  /// Rows of logits, or of the log-likelihoods of choices.
  public func logits(items: [EncodedDataset.Item]) -> [[Float]] { evaluator.run(items, state: state).logits }

  /// Questions with choices as items. Throws where the run is none on such, and where a question is too long for it.
  public func load(_ questions: ChoiceQuestions) throws -> EncodedDataset {
    guard case .language(let task) = run.task, task.source.task == .multipleChoice else {
      throw RunError.notAClassification(task: run.task.name, verb: "predict")
    }
    let data = try task.choices(of: questions, run.languageTokens(), pool: run.pool)
    try data.requireFit(run.plan.model, path: run.plan.modelDirectory)
    return data
  }
}
