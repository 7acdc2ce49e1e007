/// Hits and counts of every class or label, from which precision, recall and F1 follow.
struct ClassCounts {
  private(set) var hits: [Int]
  private(set) var predicted: [Int]
  private(set) var labelled: [Int]
  /// The classes that count in a mean.
  private var counting: [Int] = []

  init(_ predictions: Predictions) {
    let outputs = predictions.scores.first?.count ?? 0
    hits = Array(repeating: 0, count: outputs)
    (predicted, labelled) = (hits, hits)
    for (guess, label) in predictions.classes where guess < outputs && label < outputs {
      predicted[guess] += 1
      labelled[label] += 1
      if guess == label { hits[label] += 1 }
    }
    for (guesses, labels) in predictions.sets {
      for guess in guesses { predicted[guess] += 1 }
      for label in labels where label < outputs {
        labelled[label] += 1
        if guesses.contains(label) { hits[label] += 1 }
      }
    }
    // As in scikit-learn, a class that neither is a label nor was predicted does not count in a mean over classes.
    let all = Array(hits.indices)
    counting = predictions.sets.isEmpty ? all.filter { predicted[$0] + labelled[$0] > 0 } : all
  }

  /// How the values of classes become one.
  enum Average: String, CaseIterable {
    /// From the sums over all classes.
    case micro
    /// Their mean.
    case macro
    /// Their mean, each weighted with its number of labels.
    case weighted
  }

  /// A share of two counts, 0 where there is nothing to share.
  typealias Share = @Sendable (_ hits: Int, _ predicted: Int, _ labelled: Int) -> Double

  static let precision: Share = { hits, predicted, _ in predicted == 0 ? 0 : Double(hits) / Double(predicted) }
  static let recall: Share = { hits, _, labelled in labelled == 0 ? 0 : Double(hits) / Double(labelled) }
  /// F1 = 2 TP / (2 TP + FP + FN).
  static let f1: Share = { hits, predicted, labelled in
    predicted + labelled == 0 ? 0 : Double(2 * hits) / Double(predicted + labelled)
  }

  /// The share of one class.
  func value(_ share: Share, of place: Int) -> Double {
    hits.indices.contains(place) ? share(hits[place], predicted[place], labelled[place]) : 0
  }

  func value(_ share: Share, _ average: Average) -> Double {
    let total = labelled.reduce(0, +)
    guard !counting.isEmpty else { return 0 }
    switch average {
    case .micro: return share(hits.reduce(0, +), predicted.reduce(0, +), total)
    case .macro: return counting.reduce(0) { $0 + value(share, of: $1) } / Double(counting.count)
    case .weighted:
      let sum = counting.reduce(0) { $0 + value(share, of: $1) * Double(labelled[$1]) }
      return total == 0 ? 0 : sum / Double(total)
    }
  }
}

extension Metric {
  /// Precision of two classes, where class 1 is the positive one.
  public static let precision = ofPositive("precision", ClassCounts.precision)
  /// Recall of two classes, where class 1 is the positive one.
  public static let recall = ofPositive("recall", ClassCounts.recall)
  /// F1 of two classes, where class 1 is the positive one.
  public static let f1 = ofPositive("f1", ClassCounts.f1)
  /// F1 from the sums over all classes or labels.
  public static let f1Micro = averaged("f1", ClassCounts.f1, .micro)
  /// The mean of the classes' F1.
  public static let f1Macro = averaged("f1", ClassCounts.f1, .macro)

  /// Precision, recall and F1 over all classes or labels, as scikit-learn averages them.
  static let averages =
    [f1Micro, f1Macro, averaged("f1", ClassCounts.f1, .weighted)]
    + [("precision", ClassCounts.precision), ("recall", ClassCounts.recall)].flatMap { name, share in
      ClassCounts.Average.allCases.map { averaged(name, share, $0) }
    }

  private static func ofPositive(_ name: String, _ share: @escaping ClassCounts.Share) -> Metric {
    Metric(name, greaterIsBetter: true, needs: .twoClasses) { ClassCounts($0).value(share, of: 1) }
  }

  private static func averaged(
    _ name: String, _ share: @escaping ClassCounts.Share, _ average: ClassCounts.Average
  ) -> Metric {
    Metric("\(name)_\(average.rawValue)", greaterIsBetter: true, needs: [.classes, .labelSets]) {
      ClassCounts($0).value(share, average)
    }
  }
}
