import Diagnostics
import Metrics

/// One text or pair of texts, verbatim, with its label where that is known.
public struct Example: Sendable, Equatable {
  /// The only or the first text.
  public let text: String
  /// The second text of a pair, which may be empty; nil in tasks of one text.
  public let pair: String?
  /// Nil in unlabelled files.
  public let label: Label?
  /// Names the file that it stands in.
  public let file: String
  /// 1-based line in the file.
  public let line: Int

  /// An example from its parts. `Task.classification` adds the file.
  public init(text: String, pair: String? = nil, label: Label? = nil, file: String = "", line: Int) {
    (self.text, self.pair, self.label, self.file, self.line) = (text, pair, label, file, line)
  }
}

/// What a task's labels are: one of some classes, any number of some labels, or a number.
public enum LabelSpace: Sendable, Equatable, CustomStringConvertible {
  /// One of these classes, in the order of the head's outputs.
  case classes([String])
  /// Any number of these labels, in the order of the head's outputs.
  case labelSets([String])
  /// One real number.
  case regression

  /// The outputs that the head needs.
  public var outputs: Int { self == .regression ? 1 : names.count }

  /// Names in the order of the head's outputs; none for a regression.
  public var names: [String] {
    switch self {
    case .classes(let names), .labelSets(let names): names
    case .regression: []
    }
  }

  /// Whether both have the same labels in the same order, compared by code points.
  public static func == (one: LabelSpace, other: LabelSpace) -> Bool {
    switch (one, other) {
    case (.classes(let names), .classes(let others)), (.labelSets(let names), .labelSets(let others)):
      names.areExactly(others)
    case (.regression, .regression): true
    default: false
    }
  }

  /// Whether `other` has the same labels, perhaps in another order.
  func hasSameLabels(as other: LabelSpace) -> Bool {
    switch (self, other) {
    case (.classes(let names), .classes(let others)), (.labelSets(let names), .labelSets(let others)):
      names.map(ExactText.init).sorted() == others.map(ExactText.init).sorted()
    default: self == other
    }
  }

  /// `classes "0", "1"`, `any of the labels "a", "b"` or `regression`.
  public var description: String {
    switch self {
    case .classes(let names): "classes \(listed(names))"
    case .labelSets(let names): "any of the labels \(listed(names))"
    case .regression: "regression"
    }
  }
}
