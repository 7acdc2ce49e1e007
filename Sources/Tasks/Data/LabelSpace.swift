import Foundation
import Metrics

/// What a task's labels are: one of some classes, or a number.
public enum LabelSpace: Sendable, Equatable, CustomStringConvertible {
  /// The names of the classes, in the order of the head's outputs.
  case classes([String])
  /// One real number.
  case regression

  /// The outputs that the head needs.
  public var outputs: Int {
    switch self {
    case .classes(let names): names.count
    case .regression: 1
    }
  }

  /// Whether `other` has the same labels, perhaps in another order.
  func hasSameLabels(as other: LabelSpace) -> Bool {
    if case .classes(let names) = self, case .classes(let others) = other { return names.sorted() == others.sorted() }
    return self == other
  }

  /// `classes "0", "1"` or `regression`.
  public var description: String {
    switch self {
    case .classes(let names): "classes \(listed(names))"
    case .regression: "regression"
    }
  }

  /// The labels that stand in a training file.
  ///
  /// - All are numbers, and at least one isn't whole: regression.
  /// - They are exactly 0 … n−1, written so: class numbers, in the order of the numbers.
  /// - Anything else: classes by name, in the order of their Unicode scalars.
  ///
  /// Empty, NaN and infinite labels are errors with their lines, as are labels that are all the same.
  static func found(in labels: [(text: String, line: Int)], file: String) throws -> LabelSpace {
    var lines: [String: Int] = [:]
    var problems = FileProblems(file: file)
    for (text, line) in labels {
      if text.isEmpty {
        problems.add(.emptyLabel(file: file, line: line))
      } else if isNotFinite(text) {
        problems.add(.labelNotFinite(file: file, line: line, label: text))
      } else if lines[text] == nil {
        lines[text] = line
      }
    }
    try problems.throwIfAny()
    let numbers = lines.keys.compactMap(decimalNumber)
    if numbers.count == lines.count, numbers.contains(where: { $0 != $0.rounded() }) { return .regression }
    if lines.count == 1, let label = lines.keys.first { throw TaskError.oneClass(file: file, label: label) }
    let classNumbers = (0..<lines.count).map(String.init)
    if classNumbers.allSatisfy({ lines[$0] != nil }) { return .classes(classNumbers) }
    return .classes(lines.keys.sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) })
  }
}

/// Turns the label texts of a file into labels.
struct LabelReader {
  let file: String
  let space: LabelSpace
  private let indices: [String: Int]

  init(_ space: LabelSpace, file: String) {
    (self.space, self.file) = (space, file)
    switch space {
    case .classes(let names):
      indices = Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    case .regression: indices = [:]
    }
  }

  /// The label that `text` on `line` means, or what is wrong with it.
  func label(_ text: String, line: Int) -> Result<Label, TaskError> {
    if text.isEmpty { return .failure(.emptyLabel(file: file, line: line)) }
    switch space {
    case .classes(let names):
      if let index = indices[text] { return .success(.classIndex(index)) }
      if isNotFinite(text) { return .failure(.labelNotFinite(file: file, line: line, label: text)) }
      return .failure(.unknownLabel(file: file, line: line, label: text, known: names))
    case .regression:
      if isNotFinite(text) { return .failure(.labelNotFinite(file: file, line: line, label: text)) }
      guard let number = decimalNumber(text) else {
        return .failure(.labelNotNumber(file: file, line: line, label: text))
      }
      return .success(.score(Float(number)))
    }
  }
}

/// The number that `text` writes in decimals, such as `-3`, `0.5`, `1e-3`; spaces and hexadecimal digits are refused.
func decimalNumber(_ text: String) -> Double? {
  text.utf8.allSatisfy { "0123456789+-.eE".utf8.contains($0) } ? Double(text) : nil
}

/// Whether `text` writes NaN or infinity in words, or a number beyond float32.
func isNotFinite(_ text: String) -> Bool {
  var word = text.lowercased()
  if word.hasPrefix("+") || word.hasPrefix("-") { word.removeFirst() }
  if ["nan", "inf", "infinity"].contains(word) { return true }
  return decimalNumber(text).map { !Float($0).isFinite } ?? false
}
