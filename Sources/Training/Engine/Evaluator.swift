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

  /// What every item gave, in order. `progress` gets the items done.
  public func run(
    _ items: [EncodedDataset.Item], state: TrainableState, progress: (Int) -> Void = { _ in }
  ) -> BatchResult {
    var result = BatchResult()
    for start in stride(from: 0, to: items.count, by: batchSize) {
      let batch = Array(items[start..<min(start + batchSize, items.count)])
      result.append(engine.evaluate(batch, state: state))
      progress(result.counts.count)
    }
    return result
  }

  /// The task's metrics of a split, then its mean loss; none where labels are unknown.
  public func report(
    _ split: Split, _ items: [EncodedDataset.Item], metrics: [Metric], state: TrainableState, epoch: Double,
    progress: (Int) -> Void = { _ in }
  ) -> EvaluationReport {
    let result = run(items, state: state, progress: progress)
    return EvaluationReport(
      step: state.step, epoch: epoch, split: split, metrics: engine.metrics(metrics, items, result),
      examples: items.count, logits: result.logits)
  }
}
