import Tasks

/// Scores splits with the engine.
public struct Evaluator: Sendable {
  /// Runs the model.
  public let engine: ClassifierEngine
  /// Examples that go through the model at once.
  public let batchSize: Int

  /// An evaluator.
  public init(engine: ClassifierEngine, batchSize: Int) {
    self.engine = engine
    self.batchSize = batchSize
  }

  /// Logits of every item in order, and losses where every label is known. `progress` gets the items done, and may
  /// throw to end it.
  public func run(
    _ items: [EncodedDataset.Item], state: TrainableState, progress: (Int) throws -> Void
  ) rethrows -> (logits: [[Float]], losses: [Double]) {
    var logits: [[Float]] = [], losses: [Double] = []
    for start in stride(from: 0, to: items.count, by: batchSize) {
      let batch = Array(items[start..<min(start + batchSize, items.count)])
      let result = engine.evaluate(batch, state: state)
      logits += result.logits
      losses += result.losses
      try progress(logits.count)
    }
    return (logits, losses.count == items.count ? losses : [])
  }

  /// The task's metrics of a split, then its mean loss; none where labels are unknown.
  public func report(
    _ split: Split, _ items: [EncodedDataset.Item], metrics: [Metric], state: TrainableState, epoch: Double,
    progress: (Int) throws -> Void
  ) rethrows -> EvaluationReport {
    let (logits, losses) = try run(items, state: state, progress: progress)
    let labels = items.compactMap(\.label)
    var values: [MetricValue] = []
    if labels.count == items.count, !items.isEmpty {
      values = evaluate(metrics, scores: logits, labels: labels)
      values.append(MetricValue(name: "loss", value: losses.reduce(0, +) / Double(losses.count)))
    }
    return EvaluationReport(
      step: state.step, epoch: epoch, split: split, metrics: values, examples: items.count, logits: logits)
  }

  // A default for `progress` would make these throw.

  /// The same without progress.
  public func run(_ items: [EncodedDataset.Item], state: TrainableState) -> (logits: [[Float]], losses: [Double]) {
    run(items, state: state, progress: { _ in })
  }

  /// The same without progress.
  public func report(
    _ split: Split, _ items: [EncodedDataset.Item], metrics: [Metric], state: TrainableState, epoch: Double
  ) -> EvaluationReport {
    report(split, items, metrics: metrics, state: state, epoch: epoch, progress: { _ in })
  }
}
