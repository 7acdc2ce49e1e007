import Foundation

extension Metric {
  /// Every metric, under the name that Hugging Face and scikit-learn give it.
  public static let all = [accuracy, accuracyNorm, f1, matthews, pearson, spearman, perplexity, loss]

  /// The share of right predictions.
  public static let accuracy = Metric("accuracy", greaterIsBetter: true, needs: .classes) { share($0.classes) }

  /// The accuracy if each choice's log-likelihood is divided by the choice's length.
  public static let accuracyNorm = Metric("accuracy_norm", greaterIsBetter: true, needs: .classes) { predictions in
    let scores = zip(predictions.scores, predictions.choiceLengths).map { scores, lengths in
      zip(scores, lengths).map { $0 / Float(max(1, $1)) }
    }
    return share(Predictions(scores: scores, labels: predictions.labels).classes)
  }

  /// F1 = 2 TP / (2 TP + FP + FN), where class 1 is the positive one.
  public static let f1 = Metric("f1", greaterIsBetter: true, needs: .classes) { predictions in
    let pairs = predictions.classes
    let hits = pairs.count { $0.predicted == 1 && $0.label == 1 }
    let marks = pairs.count { $0.predicted == 1 } + pairs.count { $0.label == 1 }
    return marks == 0 ? 0 : Double(2 * hits) / Double(marks)
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
