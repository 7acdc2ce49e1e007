import Metrics

/// One number for each text or pair: the squared error, averaged over the examples.
public struct Regression: Objective {
  public let metrics: [Metric]

  /// A regression; the loss is reported after `metrics`.
  public init(metrics: [Metric] = [.pearson, .spearman]) { self.metrics = metrics.endingWithLoss }

  public var modelUse: ModelUse { .classifier(outputs: 1) }

  public func batch(
    _ items: [EncodedDataset.Item], _ model: ObjectiveModel, _ purpose: BatchPurpose
  ) -> any ObjectiveBatch {
    SequenceBatch(items, model, purpose) { tape, outputs, labels, weight in
      let scores = labels.compactMap { if case .score(let score) = $0 { score } else { nil } }
      return scores.count == labels.count ? tape.squaredError(outputs, targets: scores, weight: weight) : []
    }
  }

  public func predictions(_ items: [EncodedDataset.Item], _ result: BatchResult) -> Predictions? {
    labelledPredictions(items, result)
  }
}
