import Metrics

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

  /// What the items of a split and their result mean to the metrics.
  public func predictions(_ items: [EncodedDataset.Item], _ result: BatchResult) -> Predictions? {
    labelledPredictions(items, result)
  }
}
