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

  /// Whether `other` has the same labels, perhaps in another order.
  func hasSameLabels(as other: LabelSpace) -> Bool {
    if case .classes(let names) = self, case .classes(let others) = other { return names.sorted() == others.sorted() }
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
        return text
      })
    let numbers = names.compactMap(decimalNumber)
    if numbers.count == names.count, numbers.contains(where: { $0 != $0.rounded() }) { return .regression }
    if names.count == 1, let label = names.first {
      var files: [String] = []
      for label in labels where label.file != files.last { files.append(label.file) }
      throw TaskError.oneClass(file: named(files), label: label)
    }
    let classNumbers = (0..<names.count).map(String.init)
    if names.isSuperset(of: classNumbers) { return .classes(classNumbers) }
    return .classes(names.sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) })
  }
}

struct LabelReader {
  let space: LabelSpace
  let file: String
  private let indices: [String: Int]

  init(_ space: LabelSpace, file: String) {
    (self.space, self.file) = (space, file)
    let names = if case .classes(let names) = space { names } else { [String]() }
    indices = Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
  }

  /// The label that `text` on `line` means.
  func label(_ text: String, line: Int) throws(TaskError) -> Label {
    if text.isEmpty { throw .emptyLabel(file: file, line: line) }
    if let index = indices[text] { return .classIndex(index) }
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
