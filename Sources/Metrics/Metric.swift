import Foundation

/// A measure of predictions: its name, its direction, and how it is computed.
///
///     let errors = Metric("error_rate", greaterIsBetter: false, needs: .classes) { predictions in
///       1 - Metric.accuracy.value(predictions)
///     }
///
/// Where a metric is undefined its value is 0: no examples at all; precision, recall and F1 with nothing to divide by;
/// Matthews' correlation where predictions or labels are all of one class (scikit-learn gives 0 too); Pearson's and
/// Spearman's of constant or non-finite values, and the area under a curve of one class (scipy and scikit-learn give NaN,
/// which neither JSON nor SQLite can hold).
public struct Metric: Sendable {
  /// What an example must be labelled with; several where any of them will do.
  public struct LabelKind: OptionSet, Sendable {
    /// The bits.
    public let rawValue: Int

    /// Kinds by their bits.
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// One of two classes.
    public static let twoClasses = LabelKind(rawValue: 1)
    /// One of more than two.
    public static let moreClasses = LabelKind(rawValue: 2)
    /// One of some classes, however many.
    public static let classes: LabelKind = [.twoClasses, .moreClasses]
    /// Any number of some labels.
    public static let labelSets = LabelKind(rawValue: 4)
    /// A number.
    public static let scores = LabelKind(rawValue: 8)
    /// One of the choices of a question.
    public static let choices = LabelKind(rawValue: 16)
    /// No label: the loss is enough.
    public static let none: LabelKind = []
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
  /// Of words with tags, which are the examples then: their sentences.
  public let tagSequences: TagSequences?

  /// Predictions with their labels.
  public init(
    scores: [[Float]], labels: [Label], meanLoss: Double = .nan, choiceLengths: [[Int]] = [],
    tagSequences: TagSequences? = nil
  ) {
    self.tagSequences = tagSequences
    (self.scores, self.labels, self.meanLoss, self.choiceLengths) = (scores, labels, meanLoss, choiceLengths)
  }

  /// The predicted class and the right one of every example that is labelled with a class.
  public var classes: [(predicted: Int, label: Int)] {
    zip(scores, labels).compactMap { scores, label in
      if case .classIndex(let index) = label { (argmax(scores), index) } else { nil }
    }
  }

  /// The predicted labels and the right ones of every example that may have several, by number.
  public var sets: [(predicted: [Int], labels: [Int])] {
    zip(scores, labels).compactMap { scores, label in
      if case .classSet(let set) = label { (Self.set(scores), set) } else { nil }
    }
  }

  /// The labels that scores say hold: those whose sigmoid is above one half.
  public static func set(_ scores: [Float]) -> [Int] { scores.indices.filter { scores[$0] > 0 } }

  /// The predicted values and the right ones of every example that is labelled with a score.
  public var points: (predicted: [Double], targets: [Double]) {
    let points = zip(scores, labels).compactMap { scores, label -> (Double, Double)? in
      guard case .score(let score) = label, let predicted = scores.first else { return nil }
      return (Double(predicted), Double(score))
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

/// A part of a task's data.
public enum Split: String, Sendable, CaseIterable {
  case train, validation
  /// MNLI's second development set, from other genres than its training set.
  case validationMismatched = "validation_mismatched"
  case test
}

/// The right answer for one example.
public enum Label: Sendable, Equatable {
  /// The number of a class, from 0.
  case classIndex(Int)
  /// The numbers of all labels that hold, ascending; there may be none.
  case classSet([Int])
  /// A regression target.
  case score(Float)
}

extension Metric {
  /// Every metric, under the name that Hugging Face and scikit-learn give it.
  public static let all =
    [accuracy, accuracyNorm, precision, recall, f1] + averages
    + [matthews, rocAUC, mse, mae, r2, pearson, spearman, perplexity, loss]

  /// The share of right predictions; where there may be several labels, all of an example's must be right.
  public static let accuracy = Metric("accuracy", greaterIsBetter: true, needs: [.classes, .labelSets]) { predictions in
    let sets = predictions.sets
    if sets.isEmpty { return share(predictions.classes) }
    return Double(sets.count { $0.predicted == $0.labels }) / Double(sets.count)
  }

  /// The accuracy if each choice's log-likelihood is divided by the choice's length.
  public static let accuracyNorm = Metric("accuracy_norm", greaterIsBetter: true, needs: .choices) { predictions in
    let scores = zip(predictions.scores, predictions.choiceLengths).map { scores, lengths in
      zip(scores, lengths).map { $0 / Float(max(1, $1)) }
    }
    return share(Predictions(scores: scores, labels: predictions.labels).classes)
  }

  /// Matthews' correlation of any number of classes.
  public static let matthews = Metric("matthews_correlation", greaterIsBetter: true, needs: .classes) {
    matthewsCorrelation($0.classes)
  }

  /// Pearson's correlation.
  public static let pearson = Metric("pearson", greaterIsBetter: true, needs: .scores) {
    Metrics.pearson($0.points.predicted, $0.points.targets)
  }

  /// Spearman's correlation: Pearson's of the ranks, where ties share their average rank.
  public static let spearman = Metric("spearmanr", greaterIsBetter: true, needs: .scores) {
    Metrics.spearman($0.points.predicted, $0.points.targets)
  }

  /// The exponential of the mean loss of a token.
  public static let perplexity = Metric("perplexity", greaterIsBetter: false, needs: .none) { exp($0.meanLoss) }

  /// The mean loss.
  public static let loss = Metric("loss", greaterIsBetter: false, needs: .none) { $0.meanLoss }
}

private func share(_ pairs: [(predicted: Int, label: Int)]) -> Double {
  pairs.isEmpty ? 0 : Double(pairs.count { $0.predicted == $0.label }) / Double(pairs.count)
}

/// Matthews' correlation of K classes (Gorodkin 2004; for two classes the usual φ).
///
///     (c·n − Σ p_k t_k) / √((n² − Σ p_k²)(n² − Σ t_k²))
///
/// c of n predictions are right; class k is predicted p_k times and is the label t_k times.
private func matthewsCorrelation(_ pairs: [(predicted: Int, label: Int)]) -> Double {
  let n = Double(pairs.count), right = Double(pairs.count { $0.predicted == $0.label })
  var predicted: [Int: Double] = [:], labelled: [Int: Double] = [:]
  for pair in pairs {
    predicted[pair.predicted, default: 0] += 1
    labelled[pair.label, default: 0] += 1
  }
  // Counts are whole numbers below 2⁵³, so these sums are exact in any order.
  let together = predicted.reduce(0) { $0 + $1.value * (labelled[$1.key] ?? 0) }
  let spreadOfPredicted = n * n - predicted.values.reduce(0) { $0 + $1 * $1 }
  let spreadOfLabels = n * n - labelled.values.reduce(0) { $0 + $1 * $1 }
  guard spreadOfPredicted > 0, spreadOfLabels > 0 else { return 0 }
  return (right * n - together) / (spreadOfPredicted * spreadOfLabels).squareRoot()
}

/// Pearson's correlation of `x` and `y`, which are equally long.
///
///     Σ (x − x̄)(y − ȳ) / √(Σ (x − x̄)² Σ (y − ȳ)²)
///
/// 0 where either is constant or not finite.
func pearson(_ x: [Double], _ y: [Double]) -> Double {
  guard let firstX = x.first, let firstY = y.first, (x + y).allSatisfy(\.isFinite) else { return 0 }
  // The mean of equal values need not be that value in floating point, so constants are found by comparing.
  if x.allSatisfy({ $0 == firstX }) || y.allSatisfy({ $0 == firstY }) { return 0 }
  let centredX = centred(x), centredY = centred(y)
  let normX = dot(centredX, centredX).squareRoot(), normY = dot(centredY, centredY).squareRoot()
  guard normX > 0, normY > 0 else { return 0 }
  return min(1, max(-1, dot(centredX, centredY) / normX / normY))
}

/// Spearman's rank correlation of `x` and `y`; 0 where either is constant or not finite.
func spearman(_ x: [Double], _ y: [Double]) -> Double {
  (x + y).allSatisfy(\.isFinite) ? pearson(averageRanks(x), averageRanks(y)) : 0
}

/// Ranks from 1 by ascending value; equal values share the average of their ranks.
func averageRanks(_ values: [Double]) -> [Double] {
  let order = values.indices.sorted { values[$0] < values[$1] }
  var ranks = [Double](repeating: 0, count: values.count)
  var start = 0
  while start < order.count {
    var end = start + 1
    while end < order.count, values[order[end]] == values[order[start]] { end += 1 }
    // Ranks start + 1 … end.
    for position in start..<end { ranks[order[position]] = Double(start + 1 + end) / 2 }
    start = end
  }
  return ranks
}

private func centred(_ values: [Double]) -> [Double] {
  let mean = values.reduce(0, +) / Double(values.count)
  return values.map { $0 - mean }
}

private func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
