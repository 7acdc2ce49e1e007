import Adapters
import Autograd
import Foundation
import Kernels
import Metrics
import Tasks

/// A frozen model with its adapters and what it is trained for: batches in, losses and gradients out.
public protocol TrainingEngine: Sendable {
  /// Adds the gradient of the mean loss of `items` to `gradients`.
  func gradients(
    of items: [EncodedDataset.Item], state: TrainableState, dropout: DropoutSource?, into gradients: FloatStorage
  ) -> BatchResult
  /// Where the first number that is not finite comes from in a batch whose loss or gradient is not; nil where only the
  /// sum over its shards is not.
  func firstNonFinite(
    _ items: [EncodedDataset.Item], state: TrainableState, dropout: DropoutSource?
  ) -> NonFiniteOrigin?
  /// Losses, and logits where the task is scored by them, without dropout.
  func evaluate(_ items: [EncodedDataset.Item], state: TrainableState) -> BatchResult
  /// What `result`, the evaluation of all `items`, comes to; none where labels are unknown.
  func metrics(_ metrics: [Metric], _ items: [EncodedDataset.Item], _ result: BatchResult) -> [MetricValue]
}

/// What a batch gave.
public struct BatchResult: Sendable {
  /// Each item's loss, summed over what it counts; empty where a label is unknown.
  public var losses: [Double] = []
  /// What each item counts in the mean: 1 for an example, a text's predicted tokens for a language model.
  public var counts: [Int] = []
  /// Rows of logits in batch order; none from language models.
  public var logits: [[Float]] = []

  /// The mean over everything that counts.
  public var meanLoss: Double { losses.reduce(0, +) / Double(counts.reduce(0, +)) }

  /// Appends another batch's. Losses are known for all or for none.
  mutating func append(_ other: BatchResult) {
    losses = losses.count == counts.count && other.losses.count == other.counts.count ? losses + other.losses : []
    counts += other.counts
    logits += other.logits
  }
}
