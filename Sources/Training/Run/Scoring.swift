import Adapters
import Cluster
import Configuration
import Diagnostics
import Metrics
import Models
import Tasks

/// A trained adapter (or the bare base model) over its loaded model, to score and predict with.
public struct ScoringRun: Sendable {
  /// Model, tokenizer and task.
  public let run: PreparedRun
  /// The task's files, labels and objective.
  public let task: TaskData
  /// The tensors.
  public let state: TrainableState
  /// alpha / r, or alpha / √r, of the adapter.
  public let scale: Double
  private let evaluator: Evaluator

  /// Loads the adapter in `adapterDirectory`, or with nil the base model with its head as stored, else a fresh one.
  ///
  /// The adapter's own sharing and scale count, not those of the config. The ranks of `cluster` score together. In int8 the
  /// model is rounded as the run of the adapter rounded it, else as one on this task would.
  public init(_ config: RunConfig, adapterDirectory: String?, threads: Int, cluster: Cluster = .alone) throws {
    var config = config
    if adapterDirectory == nil {
      config.adapter.strategy = AdapterMethod.headOnly.name
      (config.adapter.useDoRA, config.adapter.initLoRAWeights, config.adapter.initFromMean) = (nil, nil, nil)
    }
    config.adapter.initFrom = nil
    // The head's labels are known once the adapter is read, which needs the model's sizes.
    let sized = try adapterDirectory.map { try (run: PreparedRun(config, inputs: .none), directory: $0) }
    let source = try sized.map { try $0.run.adapter(in: $0.directory) }
    let factors = try sized.flatMap { try $0.run.keptInt8Factors(in: $0.directory) }
    let prepared = try PreparedRun(
      config, threads: threads, knownLabels: source?.labels, int8: factors, cluster: cluster)
    run = try prepared.roundedIfNeeded(kept: nil) { try prepared.load(.train, toTrain: true).items }
    task = try run.task()
    if let source, let adapterDirectory {
      (state, scale) = try run.state(of: source, directory: adapterDirectory)
    } else {
      var notices: [String] = []
      (state, scale) = (try run.freshState(notices: &notices), 1)
    }
    evaluator = Evaluator(engine: try run.engine(scale: scale), batchSize: config.training.evalBatchSize)
  }

  /// Loads the adapter of a run. If that is a checkpoint which the run has replaced meanwhile, loads the newest one.
  public init(_ config: RunConfig, run directory: RunDirectory, threads: Int, cluster: Cluster = .alone) throws {
    var directory = directory
    func load() throws -> ScoringRun {
      if config.training.precision == .int8, !Int8Factors.areKept(in: directory.adapterPath) {
        throw RunError.noInt8Factors(directory: directory.adapterPath)
      }
      return try ScoringRun(config, adapterDirectory: directory.adapterPath, threads: threads, cluster: cluster)
    }
    // The ranks of a cluster must not look for another one each by itself.
    for _ in 1..<(cluster.isAlone ? CheckpointFolder.attempts : 1) {
      do {
        self = try load()
        return
      } catch {
        if directory.adapterPath.isDirectory { throw error }
        directory = try RunDirectory(directory.path, catalog: config.catalog)
      }
    }
    self = try load()
  }

  /// Scores the examples of a split.
  public func score(
    _ split: Split, _ data: EncodedDataset, progress: (Int, Int) -> Void = { _, _ in }
  ) -> EvaluationReport {
    let report = evaluator.report(
      split, data.items, state: state, epoch: 0, progress: { progress($0, data.items.count) })
    guard let report else { preconditionFailure("nothing stops this evaluation") }
    return report
  }

  /// How many batches keep all ranks at work.
  public var batchesAtOnce: Int { evaluator.round }

  /// Rows of logits, or of the log-likelihoods of choices.
  public func logits(_ items: [EncodedDataset.Item]) -> [[Float]] { evaluator.run(items, state: state)?.logits ?? [] }

  /// Texts to label or questions to answer. Throws if the task has no labels, or a question is too long for the model.
  public func read(_ input: PredictionInput) throws -> SplitData {
    guard let data = try task.texts(input) else {
      throw RunError.notAClassification(task: task.name, verb: "predict")
    }
    return data
  }
}
