import Adapters
import Metrics
import Tasks

/// Scores splits with the engine.
public struct Evaluator: Sendable {
  /// Runs the model.
  public let engine: Engine
  /// Examples that go through the model at once.
  public let batchSize: Int

  /// An evaluator.
  public init(engine: Engine, batchSize: Int) {
    self.engine = engine
    self.batchSize = batchSize
  }

  /// What every item gave, in order; `progress` gets the number of items done. Nil where `mayContinue`, which is asked
  /// between shards, said no.
  public func run(
    _ items: [EncodedDataset.Item], state: TrainableState, while mayContinue: () -> Bool,
    progress: (Int) -> Void = { _ in }
  ) -> BatchResult? {
    var result = BatchResult()
    for start in stride(from: 0, to: items.count, by: batchSize) {
      let batch = Array(items[start..<min(start + batchSize, items.count)])
      guard let scored = engine.evaluate(batch, state: state, while: mayContinue) else { return nil }
      result.append(scored)
      progress(result.counts.count)
    }
    return result
  }

  /// What every item gave, in order.
  public func run(
    _ items: [EncodedDataset.Item], state: TrainableState, progress: (Int) -> Void = { _ in }
  ) -> BatchResult {
    run(items, state: state, while: { true }, progress: progress) ?? BatchResult()
  }

  /// The objective's metrics of a split; none where labels are unknown. Nil where `mayContinue` said no.
  public func report(
    _ split: Split, _ items: [EncodedDataset.Item], state: TrainableState, epoch: Double, while mayContinue: () -> Bool
  ) -> EvaluationReport? {
    run(items, state: state, while: mayContinue).map { report(split, items, $0, state: state, epoch: epoch) }
  }

  /// The objective's metrics of a split; none where labels are unknown.
  public func report(
    _ split: Split, _ items: [EncodedDataset.Item], state: TrainableState, epoch: Double,
    progress: (Int) -> Void = { _ in }
  ) -> EvaluationReport {
    report(split, items, run(items, state: state, progress: progress), state: state, epoch: epoch)
  }

  private func report(
    _ split: Split, _ items: [EncodedDataset.Item], _ result: BatchResult, state: TrainableState, epoch: Double
  ) -> EvaluationReport {
    EvaluationReport(
      step: state.step, epoch: epoch, split: split, metrics: engine.objective.values(items, result),
      examples: items.count, logits: result.logits)
  }
}
