import Foundation

/// A measure of predictions: its name, its direction, and how it is computed.
///
///     let errors = Metric("error_rate", greaterIsBetter: false, needs: .classes) { predictions in
///       1 - Metric.accuracy.value(predictions)
///     }
///
/// Where a metric is undefined its value is 0: no examples at all; F1 without a positive prediction or label;
/// Matthews' correlation where predictions or labels are all of one class (scikit-learn gives 0 too); Pearson's and
/// Spearman's of constant or non-finite values (scipy gives NaN, which neither JSON nor SQLite can hold).
public struct Metric: Sendable {
  /// What an example must be labelled with.
  public enum LabelKind: Sendable {
    case classes, scores
    /// No label: the loss is enough.
    case none
  }

  /// The name in configs, databases and results.
  public let name: String
  /// Whether more is better.
  public let greaterIsBetter: Bool
  /// The labels it needs.
  public let needs: LabelKind
  /// The value for the predictions of a whole split.
  public let value: @Sendable (Predictions) -> Double

  /// A metric of your own.
  public init(
    _ name: String, greaterIsBetter: Bool, needs: LabelKind, value: @escaping @Sendable (Predictions) -> Double
  ) {
    (self.name, self.greaterIsBetter, self.needs, self.value) = (name, greaterIsBetter, needs, value)
  }
}

extension Metric: Equatable {
  /// Metrics are the same if their names are.
  public static func == (one: Metric, other: Metric) -> Bool { one.name == other.name }
}

/// What a model gave for the examples of a split, and what would have been right.
public struct Predictions: Sendable {
  /// Raw scores of each example: one for each class or choice, or the one value of a regression.
  public let scores: [[Float]]
  /// The labels of the same examples; none where they are unknown or where the task has no labels.
  public let labels: [Label]
  /// The mean loss.
  public let meanLoss: Double
  /// Of questions with choices: the length of each choice.
  public let choiceLengths: [[Int]]

  /// Predictions with their labels.
  public init(
    scores: [[Float]], labels: [Label], meanLoss: Double = .nan, choiceLengths: [[Int]] = []
  ) {
    (self.scores, self.labels, self.meanLoss, self.choiceLengths) = (scores, labels, meanLoss, choiceLengths)
  }

  /// The predicted class and the right one of every example that is labelled with a class.
  public var classes: [(predicted: Int, label: Int)] {
    zip(scores, labels).compactMap { scores, label in
      if case .classIndex(let index) = label { (argmax(scores), index) } else { nil }
    }
  }

  /// The predicted values and the right ones of every example that is labelled with a score.
  public var points: (predicted: [Double], targets: [Double]) {
    let points = zip(scores, labels).compactMap { scores, label -> (Double, Double)? in
      if case .score(let score) = label, let predicted = scores.first {
        (Double(predicted), Double(score))
      } else {
        nil
      }
    }
    return (points.map(\.0), points.map(\.1))
  }
}

/// A metric's name and its value.
public struct MetricValue: Sendable, Equatable {
  /// The metric's name in results.
  public let name: String
  /// The value.
  public let value: Double

  /// A value under its name.
  public init(name: String, value: Double) { (self.name, self.value) = (name, value) }
}

extension [Metric] {
  /// The values of these metrics, in their order.
  public func values(_ predictions: Predictions) -> [MetricValue] {
    map { MetricValue(name: $0.name, value: $0.value(predictions)) }
  }
}

/// The class with the highest score; of equal scores the first. NaN is never the highest, unless it stands first.
public func argmax(_ scores: some Collection<Float>) -> Int {
  var best: (index: Int, score: Float)?
  for (index, score) in scores.enumerated() where best.map({ score > $0.score }) ?? true { best = (index, score) }
  return best?.index ?? 0
}
