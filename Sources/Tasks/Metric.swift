import Metrics

/// A measure of predictions against labels, by the name that Hugging Face and scikit-learn give it.
public enum Metric: String, Sendable, CaseIterable {
  case accuracy
  /// Of the second class (number 1) against the rest.
  case f1
  /// Matthews' correlation coefficient, of any number of classes.
  case matthews = "matthews_correlation"
  /// Pearson's correlation coefficient.
  case pearson
  /// Spearman's: Pearson's of the ranks, where ties share their average rank.
  case spearman = "spearmanr"

  /// The name in configs, databases and results.
  public var name: String { rawValue }
}

/// The values of `metrics` over examples, in the order of `metrics`.
///
/// Where a metric is undefined it is 0: no examples at all; F1 without a positive prediction or label; Matthews' where
/// predictions or labels are all of one class (scikit-learn says 0 too); Pearson's and Spearman's of constant or
/// non-finite values (scipy says NaN, which neither JSON nor SQLite can hold).
///
/// `scores` are the raw ones of each example: one a class, or the one value of a regression. There are as many `labels`
/// as `scores`; a label of the other kind than the metric's makes it undefined.
public func evaluate(_ metrics: [Metric], scores: [[Float]], labels: [Label]) -> [MetricValue] {
  let classes = zip(scores, labels).compactMap { scores, label -> ClassPair? in
    if case .classIndex(let index) = label { ClassPair(predicted: argmax(scores), label: index) } else { nil }
  }
  let points = zip(scores, labels).compactMap { scores, label -> (Double, Double)? in
    if case .score(let score) = label, let predicted = scores.first { (Double(predicted), Double(score)) } else { nil }
  }
  let predicted = points.map(\.0), targets = points.map(\.1)
  return metrics.map { metric in
    let value =
      switch metric {
      case .accuracy: accuracy(classes)
      case .f1: f1(classes)
      case .matthews: matthewsCorrelation(classes)
      case .pearson: pearson(predicted, targets)
      case .spearman: spearman(predicted, targets)
      }
    return MetricValue(name: metric.name, value: value)
  }
}

/// The class with the highest score; of equal ones the first. NaN is never the highest, unless it stands first.
public func argmax(_ scores: some Collection<Float>) -> Int {
  var best: (index: Int, score: Float)?
  for (index, score) in scores.enumerated() where best.map({ score > $0.score }) ?? true { best = (index, score) }
  return best?.index ?? 0
}

/// A predicted class beside the right one.
struct ClassPair: Equatable {
  let predicted: Int
  let label: Int
}

/// Share of the right predictions.
func accuracy(_ pairs: [ClassPair]) -> Double {
  pairs.isEmpty ? 0 : Double(pairs.count { $0.predicted == $0.label }) / Double(pairs.count)
}

/// F1 = 2 TP / (2 TP + FP + FN), where class 1 is the positive one.
func f1(_ pairs: [ClassPair]) -> Double {
  let hits = pairs.count { $0.predicted == 1 && $0.label == 1 }
  let marks = pairs.count { $0.predicted == 1 } + pairs.count { $0.label == 1 }
  return marks == 0 ? 0 : Double(2 * hits) / Double(marks)
}

/// Matthews' correlation of K classes (Gorodkin 2004; for two classes the usual φ).
///
///     (c·n − Σ p_k t_k) / √((n² − Σ p_k²)(n² − Σ t_k²))
///
/// c right ones of n; class k is predicted p_k times and is the label t_k times.
func matthewsCorrelation(_ pairs: [ClassPair]) -> Double {
  let n = Double(pairs.count), right = Double(pairs.count { $0.predicted == $0.label })
  var predicted: [Int: Double] = [:], labelled: [Int: Double] = [:]
  for pair in pairs {
    predicted[pair.predicted, default: 0] += 1
    labelled[pair.label, default: 0] += 1
  }
  // Counts are whole numbers below 2⁵³, so these sums are exact in whatever order.
  let together = predicted.reduce(0) { $0 + $1.value * (labelled[$1.key] ?? 0) }
  let spreadOfPredicted = n * n - predicted.values.reduce(0) { $0 + $1 * $1 }
  let spreadOfLabels = n * n - labelled.values.reduce(0) { $0 + $1 * $1 }
  guard spreadOfPredicted > 0, spreadOfLabels > 0 else { return 0 }
  return (right * n - together) / (spreadOfPredicted * spreadOfLabels).squareRoot()
}
