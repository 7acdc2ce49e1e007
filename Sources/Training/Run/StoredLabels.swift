import Adapters
import Diagnostics
import Tasks

extension LabelSpace {
  /// These classes in the order of `others`, ignoring case; nil if those are not the same names.
  func inOrder(of others: [String]) -> LabelSpace? {
    guard self != .regression, names.count == others.count else { return nil }
    let byName = Dictionary(names.map { (ExactText($0.lowercased()), $0) }) { first, _ in first }
    let ordered = others.compactMap { byName[ExactText($0.lowercased())] }
    guard Set(ordered.map(ExactText.init)).count == names.count else { return nil }
    if case .labelSets = self { return .labelSets(ordered) }
    return .classes(ordered)
  }

  /// The labels that an adapter's head was trained for.
  init(_ metadata: AdapterMetadata) {
    if metadata.problemType == ProblemType.multiLabel.rawValue {
      self = .labelSets(metadata.labels)
    } else {
      self = metadata.labels.isEmpty ? .regression : .classes(metadata.labels)
    }
  }

  /// What an adapter's metadata says beside the names.
  var problemType: String? {
    if case .labelSets = self { ProblemType.multiLabel.rawValue } else { nil }
  }
}
