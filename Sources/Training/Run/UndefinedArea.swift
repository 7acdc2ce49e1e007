import Configuration
import Metrics
import Tasks

extension EncodedDataset {
  /// The labels that no example has, or every one: the area under their curve is undefined. None where labels are unknown.
  fileprivate func oneSided(_ labels: LabelSpace) -> [String] {
    var counts = [Int](repeating: 0, count: labels.names.count)
    for item in items {
      switch item.label {
      case .classIndex(let index): counts[index] += 1
      case .classSet(let set): for index in set { counts[index] += 1 }
      case .score, nil: return []
      }
    }
    return zip(labels.names, counts).filter { $1 == 0 || $1 == items.count }.map(\.0)
  }
}

extension TrainingConfig {
  /// Notes on splits where `roc_auc` is undefined, and so 0. Throws if it ranks models: then all of them are alike.
  func undefinedAreas(
    _ sets: [(split: Split, data: EncodedDataset)], _ labels: LabelSpace?, _ metrics: [Metric]
  ) throws -> [String] {
    guard let labels, metrics.contains(.rocAUC) else { return [] }
    var notes: [String] = []
    for (number, set) in sets.enumerated() {
      guard let label = set.data.oneSided(labels).first else { continue }
      let error = TrainingError.undefinedArea(split: set.split.rawValue, label: label)
      if number == 0, rankingMetric == Metric.rocAUC.name { throw error }
      notes.append(error.problem)
    }
    return notes
  }
}
