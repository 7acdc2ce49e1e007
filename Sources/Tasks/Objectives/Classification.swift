import Autograd
import Metrics
import Models

/// One of some classes for each text or pair: cross-entropy, averaged over the examples.
public struct Classification: Objective {
  /// The classes.
  public let classes: Int
  /// What an evaluation reports, the main metric first, the loss last.
  public let metrics: [Metric]

  /// Classification into `classes` classes; the loss is reported after `metrics`.
  public init(classes: Int = 2, metrics: [Metric] = [.accuracy]) {
    (self.classes, self.metrics) = (classes, metrics.endingWithLoss)
  }

  /// The form in which the model is loaded.
  public var modelUse: ModelUse { .classifier(outputs: classes) }

  /// A batch, ready to go through the model.
  public func batch(
    _ items: [EncodedDataset.Item], _ model: ObjectiveModel, _ purpose: BatchPurpose
  ) -> any ObjectiveBatch {
    SequenceBatch(items, model, purpose) { tape, logits, labels, weight in
      let classes = labels.compactMap { if case .classIndex(let index) = $0 { index } else { nil } }
      return classes.count == labels.count ? tape.crossEntropy(logits, labels: classes, weight: weight) : []
    }
  }
}

/// One number for each text or pair: the squared error, averaged over the examples.
public struct Regression: Objective {
  /// What an evaluation reports, the main metric first, the loss last.
  public let metrics: [Metric]

  /// A regression; the loss is reported after `metrics`.
  public init(metrics: [Metric] = [.pearson, .spearman]) { self.metrics = metrics.endingWithLoss }

  /// The form in which the model is loaded.
  public var modelUse: ModelUse { .classifier(outputs: 1) }

  /// A batch, ready to go through the model.
  public func batch(
    _ items: [EncodedDataset.Item], _ model: ObjectiveModel, _ purpose: BatchPurpose
  ) -> any ObjectiveBatch {
    SequenceBatch(items, model, purpose) { tape, outputs, labels, weight in
      let scores = labels.compactMap { if case .score(let score) = $0 { score } else { nil } }
      return scores.count == labels.count ? tape.squaredError(outputs, targets: scores, weight: weight) : []
    }
  }
}

/// Texts or pairs, each with one row of outputs and a label.
struct SequenceBatch: ObjectiveBatch {
  /// Records the mean loss over rows of outputs, each weighted, and returns the rows' losses; none where a label is
  /// missing.
  typealias Loss = @Sendable (_ tape: Tape, _ outputs: Tensor, _ labels: [Label?], _ weight: Double) -> [Double]

  private let items: [EncodedDataset.Item]
  private let model: any SequenceClassifier
  private let weight: Double
  private let loss: Loss

  init(_ items: [EncodedDataset.Item], _ model: ObjectiveModel, _ purpose: BatchPurpose, loss: @escaping Loss) {
    (self.items, self.model, self.loss) = (items, model.classifier, loss)
    if case .training = purpose { weight = 1 / Double(items.count) } else { weight = 1 }
  }

  var lengths: [Int] { items.map(\.ids.count) }

  func forward(_ shard: [Int], _ context: ForwardContext) -> [UnitResult] {
    let tokens = PackedTokens(shard.map { (items[$0].ids, items[$0].typeIDs) }, examples: shard)
    let logits = model.logits(tokens, context)
    let losses = loss(context.tape, logits, shard.map { items[$0].label }, weight)
    let values = logits.values, columns = logits.columns
    return shard.indices.map { row in
      UnitResult(
        loss: losses.count == shard.count ? losses[row] : nil,
        scores: Array(values[(row * columns)..<((row + 1) * columns)]))
    }
  }

  func result(_ units: [UnitResult]) -> BatchResult {
    let losses = units.compactMap(\.loss)
    return BatchResult(
      losses: losses.count == units.count ? losses : [], counts: units.map { _ in 1 }, logits: units.map(\.scores))
  }
}
