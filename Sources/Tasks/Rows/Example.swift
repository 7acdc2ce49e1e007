import Diagnostics
import Foundation
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

/// What a task's labels are: one of some classes, or a number.
public enum LabelSpace: Sendable, Equatable, CustomStringConvertible {
  /// The names of the classes, in the order of the head's outputs.
  case classes([String])
  /// One real number.
  case regression

  /// The outputs that the head needs.
  public var outputs: Int { if case .classes(let names) = self { names.count } else { 1 } }

  /// Class names in the order of the head's outputs; none for a regression.
  public var names: [String] { if case .classes(let names) = self { names } else { [] } }

  /// Whether both have the same labels in the same order, compared by code points.
  public static func == (one: LabelSpace, other: LabelSpace) -> Bool {
    switch (one, other) {
    case (.classes(let names), .classes(let others)): names.areExactly(others)
    case (.regression, .regression): true
    default: false
    }
  }

  /// Whether `other` has the same labels, perhaps in another order.
  func hasSameLabels(as other: LabelSpace) -> Bool {
    if case .classes(let names) = self, case .classes(let others) = other {
      return names.map(ExactText.init).sorted() == others.map(ExactText.init).sorted()
    }
    return self == other
  }

  /// `classes "0", "1"` or `regression`.
  public var description: String {
    if case .classes(let names) = self { "classes \(listed(names))" } else { "regression" }
  }

  /// The labels of a training file.
  ///
  /// - All are numbers, and at least one isn't whole: regression.
  /// - They are exactly 0 … n−1, written so: class numbers, in the order of the numbers.
  /// - Anything else: classes by name, in the order of their Unicode scalars.
  ///
  /// Empty, NaN and infinite labels are errors with their lines, as are labels that are all the same.
  static func found(in labels: [(text: String, file: String, line: Int)]) throws -> LabelSpace {
    let names = Set(
      try labels.mapAll { (text, file, line) throws(TaskError) in
        if text.isEmpty { throw .emptyLabel(file: file, line: line) }
        if isNotFinite(text) { throw .labelNotFinite(file: file, line: line, label: text) }
        return ExactText(text)
      })
    let numbers = names.compactMap { decimalNumber($0.text) }
    if numbers.count == names.count, numbers.contains(where: { $0 != $0.rounded() }) { return .regression }
    if names.count == 1, let label = names.first {
      var files: [String] = []
      for label in labels where label.file != files.last { files.append(label.file) }
      throw TaskError.oneClass(file: named(files), label: label.text)
    }
    let classNumbers = (0..<names.count).map(String.init)
    if names.isSuperset(of: classNumbers.map(ExactText.init)) { return .classes(classNumbers) }
    return .classes(names.sorted().map(\.text))
  }
}

/// Reads the labels of files.
struct LabelReader {
  let space: LabelSpace
  /// The place of each class in `space`, by its name, and by its number where `label_names` gives one.
  private let places: [ExactText: Int]

  /// `names` are the classes in the order of the numbers that may stand for them; a name goes before a number.
  init(_ space: LabelSpace, names: [String]? = nil) {
    self.space = space
    let classes = if case .classes(let names) = space { names } else { [String]() }
    let byName = Dictionary(classes.enumerated().map { (ExactText($1), $0) }) { first, _ in first }
    let byNumber = (names ?? []).enumerated().compactMap { number, name in
      byName[ExactText(name)].map { (ExactText(String(number)), $0) }
    }
    places = byName.merging(byNumber) { name, _ in name }
  }

  /// Whether `text` in a test file says that there is no label: nothing, or −1, unless a class is called so.
  func isNone(_ text: String) -> Bool {
    text.isEmpty || (text == "-1" && space != .regression && places[ExactText(text)] == nil)
  }

  /// The label that `text` means in `line` of `file`.
  func label(_ text: String, file: String, line: Int) throws(TaskError) -> Label {
    if text.isEmpty { throw .emptyLabel(file: file, line: line) }
    if let place = places[ExactText(text)] { return .classIndex(place) }
    if isNotFinite(text) { throw .labelNotFinite(file: file, line: line, label: text) }
    if case .classes(let names) = space { throw .unknownLabel(file: file, line: line, label: text, known: names) }
    guard let number = decimalNumber(text) else { throw .labelNotNumber(file: file, line: line, label: text) }
    return .score(Float(number))
  }
}

/// The number that `text` writes in decimals, such as `-3`, `0.5`, `1e-3`; spaces and hexadecimal digits are refused.
private func decimalNumber(_ text: String) -> Double? {
  text.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) } ? Double(text) : nil
}

/// Whether `text` writes NaN or infinity in words, or a number beyond float32.
private func isNotFinite(_ text: String) -> Bool {
  let word = text.lowercased().dropFirst(text.hasPrefix("+") || text.hasPrefix("-") ? 1 : 0)
  return ["nan", "inf", "infinity"].contains(word) || decimalNumber(text).map { !Float($0).isFinite } ?? false
}
