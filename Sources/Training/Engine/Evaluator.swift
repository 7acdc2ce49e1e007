import Adapters
import Metrics
import Tasks

/// Scores splits with the engine.
public struct Evaluator: Sendable {
  /// Runs the model.
  public let engine: any TrainingEngine
  /// Examples that go through the model at once.
  public let batchSize: Int

  /// An evaluator.
  public init(engine: any TrainingEngine, batchSize: Int) {
    self.engine = engine
    self.batchSize = batchSize
  }

  /// What every item gave, in order. `progress` gets the items done, and may throw to end it.
  public func run(
    _ items: [EncodedDataset.Item], state: TrainableState, progress: (Int) throws -> Void
  ) rethrows -> BatchResult {
    var result = BatchResult()
    for start in stride(from: 0, to: items.count, by: batchSize) {
      let batch = Array(items[start..<min(start + batchSize, items.count)])
      result.append(engine.evaluate(batch, state: state))
      try progress(result.counts.count)
    }
    return result
  }

  /// The task's metrics of a split, then its mean loss; none where labels are unknown.
  public func report(
    _ split: Split, _ items: [EncodedDataset.Item], metrics: [Metric], state: TrainableState, epoch: Double,
    progress: (Int) throws -> Void
  ) rethrows -> EvaluationReport {
    let result = try run(items, state: state, progress: progress)
    return EvaluationReport(
      step: state.step, epoch: epoch, split: split, metrics: engine.metrics(metrics, items, result),
      examples: items.count, logits: result.logits)
  }

  // A default for `progress` would make these throw.

  /// The same without progress.
  public func run(_ items: [EncodedDataset.Item], state: TrainableState) -> BatchResult {
    run(items, state: state, progress: { _ in })
  }

  /// The same without progress.
  public func report(
    _ split: Split, _ items: [EncodedDataset.Item], metrics: [Metric], state: TrainableState, epoch: Double
  ) -> EvaluationReport {
    report(split, items, metrics: metrics, state: state, epoch: epoch, progress: { _ in })
  }
}
