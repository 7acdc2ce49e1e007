import Foundation

extension Metric {
  /// The area under the ROC curve: of two classes that of class 1; of more classes the mean over each against the rest;
  /// of labels the mean over all. 0 where a class has no example, or nothing but examples.
  public static let rocAUC = Metric("roc_auc", greaterIsBetter: true, needs: [.classes, .labelSets]) { predictions in
    let outputs = predictions.scores.first?.count ?? 0
    let rows = predictions.scores, labels = predictions.labels
    if !predictions.sets.isEmpty {
      return mean(
        (0..<outputs).map { place in
          area(
            rows.map { Double($0[place]) },
            labels.map { label in
              if case .classSet(let set) = label { set.contains(place) } else { false }
            })
        })
    }
    func isLabel(_ place: Int) -> [Bool] { labels.map { $0 == .classIndex(place) } }
    if outputs == 2 { return area(rows.map { Double($0[1]) - Double($0[0]) }, isLabel(1)) ?? 0 }
    return mean((0..<outputs).map { place in area(rows.map { odds(of: place, $0) }, isLabel(place)) })
  }

  /// The mean squared error.
  public static let mse = Metric("mse", greaterIsBetter: false, needs: .scores) {
    meanError($0) { $0 * $0 }
  }

  /// The mean absolute error.
  public static let mae = Metric("mae", greaterIsBetter: false, needs: .scores) { meanError($0, abs) }

  /// The coefficient of determination, 1 − Σ (t − p)² / Σ (t − t̄)². As in scikit-learn it is 1 or 0 where all targets are
  /// the same: 1 if all predictions are right. 0 for fewer than two examples.
  public static let r2 = Metric("r2", greaterIsBetter: true, needs: .scores) { predictions in
    let (predicted, targets) = predictions.points
    guard targets.count > 1 else { return 0 }
    let mean = targets.reduce(0, +) / Double(targets.count)
    let rest = zip(predicted, targets).reduce(0) { $0 + ($1.1 - $1.0) * ($1.1 - $1.0) }
    // The mean of equal values need not be that value in floating point.
    let isConstant = targets.allSatisfy { $0 == targets[0] }
    let spread = isConstant ? 0 : targets.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    if spread == 0 { return rest == 0 ? 1 : 0 }
    return 1 - rest / spread
  }
}

private func meanError(_ predictions: Predictions, _ size: (Double) -> Double) -> Double {
  let (predicted, targets) = predictions.points
  return targets.isEmpty ? 0 : zip(predicted, targets).reduce(0) { $0 + size($1.0 - $1.1) } / Double(targets.count)
}

/// The mean of areas; 0 where one is undefined.
private func mean(_ areas: [Double?]) -> Double {
  let known = areas.compactMap(\.self)
  return known.isEmpty || known.count < areas.count ? 0 : known.reduce(0, +) / Double(known.count)
}

/// The probability that a positive example has a higher score than a negative one, where a tie counts half; nil where
/// there are none of one kind.
private func area(_ scores: [Double], _ isPositive: [Bool]) -> Double? {
  let positives = isPositive.count { $0 }, negatives = isPositive.count - positives
  guard positives > 0, negatives > 0, scores.allSatisfy({ !$0.isNaN }) else { return nil }
  let sum = zip(averageRanks(scores), isPositive).reduce(0) { $0 + ($1.1 ? $1.0 : 0) }
  return (sum - Double(positives) * Double(positives + 1) / 2) / (Double(positives) * Double(negatives))
}

/// p / (1 − p) of a class's softmax probability p, in the same order as p, but not rounded to 1 where p nearly is. The sum
/// is taken in order of size, so that the order of the other classes does not matter.
private func odds(of place: Int, _ scores: [Float]) -> Double {
  let top = Double(scores.max() ?? 0)
  let exponentials = scores.map { exp(Double($0) - top) }
  let others = exponentials.enumerated().filter { $0.offset != place }.map(\.element).sorted().reduce(0, +)
  return exponentials[place] / others
}
