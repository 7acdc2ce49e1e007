import Diagnostics
import Metrics

/// What a label is, by transformers' names in `problem_type`.
public enum ProblemType: String, Sendable, CaseIterable {
  /// A number.
  case regression
  /// One of some classes.
  case singleLabel = "single_label_classification"
  /// Any number of some labels.
  case multiLabel = "multi_label_classification"
}

/// How much the examples of each class count in the loss of training.
public enum ClassWeights: Sendable, Equatable {
  /// In inverse proportion to their number, as scikit-learn computes it.
  case balanced
  /// In the order of `label_names`.
  case list([Double])
  /// By label.
  case byLabel([LabelWeight])
}

/// The weight of a label.
public struct LabelWeight: Sendable, Equatable {
  /// The label.
  public let label: String
  /// Its weight, above 0.
  public let weight: Double

  /// A label's weight.
  public init(_ label: String, _ weight: Double) { (self.label, self.weight) = (label, weight) }

  /// Labels are compared by code points.
  public static func == (one: Self, other: Self) -> Bool {
    ExactText(one.label) == ExactText(other.label) && one.weight == other.weight
  }
}

extension LabelSpace {
  /// What metrics get to see.
  var kind: Metric.LabelKind {
    switch self {
    case .classes(let names): names.count == 2 ? .twoClasses : .moreClasses
    case .labelSets: .labelSets
    case .regression: .scores
    }
  }
}

extension TaskOpening {
  /// The objective of texts with `labels`, with the metrics and class weights that the config names. Throws where those
  /// do not go with the labels.
  public func objective(for labels: LabelSpace) throws -> any Objective {
    let metrics = try options.metrics.map { try chosen($0, labels) } ?? task.metrics(for: labels)
    let weights = try options.classWeights.map { try weighting($0, labels) }
    switch labels {
    case .classes(let names): return Classification(names: names, metrics: metrics, weighting: weights)
    case .labelSets(let names): return MultiLabelClassification(labels: names.count, metrics: metrics)
    case .regression: return Regression(metrics: metrics)
    }
  }

  private func chosen(_ names: [String], _ labels: LabelSpace) throws -> [Metric] {
    let known = metrics + task.metrics
    let fitting = known.filter { !$0.needs.isDisjoint(with: labels.kind) }
    return try names.filter { $0 != Metric.loss.name }.mapAll { (name) throws(TaskError) in
      if let metric = fitting.first(where: { $0.name == name }) { return metric }
      let found = labels.outputs, what: String
      switch labels {
      case .classes: what = counted(found, "class", plural: "classes")
      case .labelSets: what = "any of \(counted(found, "label"))"
      case .regression: what = "numbers"
      }
      var names: [String] = []
      for metric in fitting where !names.contains(metric.name) { names.append(metric.name) }
      throw .badOption(
        key: "metrics",
        problem: "\(name) does not go with labels that are \(what); those that do are "
          + names.joined(separator: ", "))
    }
  }

  private func weighting(_ weights: ClassWeights, _ labels: LabelSpace) throws -> ClassWeighting {
    guard case .classes(let classes) = labels else {
      throw TaskError.badOption(key: "class_weights", problem: "is for labels that are one of some classes each")
    }
    switch weights {
    case .balanced: return .balanced
    case .list(let weights):
      guard let names = options.labelNames else {
        throw TaskError.badOption(
          key: "class_weights", problem: "a list needs label_names, whose order it has; or give weights by label")
      }
      guard weights.count == names.count else {
        throw TaskError.badOption(
          key: "class_weights",
          problem: "has \(counted(weights.count, "weight")), label_names has \(counted(names.count, "name"))")
      }
      let byName = Dictionary(zip(names.map(ExactText.init), weights)) { first, _ in first }
      return .weights(classes.map { byName[ExactText($0)] ?? 1 })
    case .byLabel(let weights):
      let byName = Dictionary(weights.map { (ExactText($0.label), $0.weight) }) { first, _ in first }
      let missing = classes.filter { byName[ExactText($0)] == nil }
      let unknown = weights.map(\.label).filter { classes.place(of: $0) == nil }
      if let label = unknown.first {
        throw TaskError.badOption(
          key: "class_weights", problem: "no label \"\(label.clipped)\"; the labels are \(listed(classes))")
      }
      if !missing.isEmpty {
        throw TaskError.badOption(key: "class_weights", problem: "has no weight for \(listed(missing))")
      }
      return .weights(classes.compactMap { byName[ExactText($0)] })
    }
  }
}

/// Class weights by the numbers of the classes.
public enum ClassWeighting: Sendable, Equatable {
  /// Those that follow from the examples trained on: n / (k · n_c) for the n_c of n examples of one of k classes.
  case balanced
  /// By class number.
  case weights([Double])
}
