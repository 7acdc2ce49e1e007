import Diagnostics
import Metrics

/// A label as it stands in a file: a text, or of multi-label data all that hold.
struct LabelCell: Sendable {
  /// As JSON writes them.
  let texts: [String]
  /// Of JSON alone; in TSV and CSV everything is text.
  var kind: Kind?
  let file: String
  let line: Int

  enum Kind: String {
    case text = "a string"
    case number = "a number"
    case truth = "true or false"
  }

  /// The only text.
  var text: String { texts.first ?? "" }

  /// Whether it says in a test file that there is no label: nothing, or −1.
  var isMissing: Bool { texts.isEmpty || texts == [""] || isMinusOne }
  var isMinusOne: Bool { texts == ["-1"] }
}

extension [LabelCell] {
  /// Throws where a label is a text in one JSON record and a number in another.
  func requireOneKind() throws {
    guard let first = first(where: { $0.kind != nil }), let kind = first.kind else { return }
    try compactMap { cell -> TaskError? in
      guard let other = cell.kind, other != kind else { return nil }
      let place = cell.file == first.file ? "line \(first.line)" : "\(first.file):\(first.line)"
      return .badRecord(
        file: cell.file, line: cell.line,
        problem: "the label is \(other.rawValue), but \(kind.rawValue) in \(place)")
    }.throwIfAny()
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
    let byName = Dictionary(space.names.enumerated().map { (ExactText($1), $0) }) { first, _ in first }
    let byNumber = (names ?? []).enumerated().compactMap { number, name in
      byName[ExactText(name)].map { (ExactText(String(number)), $0) }
    }
    places = byName.merging(byNumber) { name, _ in name }
  }

  /// The labels of a test file, nil where there are none: nothing, or −1, unless a class is called so. Where no row has
  /// any of several labels, they are unknown.
  func testLabels(_ cells: [LabelCell?]) throws -> [Label?] {
    let isMinusOneKnown = space == .regression || places[ExactText("-1")] != nil
    if case .labelSets = space, cells.allSatisfy({ $0?.isMissing ?? true }), !isMinusOneKnown {
      return cells.map { _ in nil }
    }
    return try cells.mapAll { (cell) throws(TaskError) in
      guard let cell else { return nil }
      if cell.isMinusOne, !isMinusOneKnown { return nil }
      if case .labelSets = space { return try label(cell) }
      return cell.text.isEmpty ? nil : try label(cell)
    }
  }

  /// The label that a cell means.
  func label(_ cell: LabelCell) throws(TaskError) -> Label {
    guard case .labelSets(let names) = space else { return try label(cell.text, file: cell.file, line: cell.line) }
    var set: [Int] = []
    for text in cell.texts {
      if text.isEmpty { throw .emptyLabel(file: cell.file, line: cell.line) }
      guard let place = places[ExactText(text)] else {
        throw .unknownLabel(file: cell.file, line: cell.line, label: text, known: names)
      }
      if set.contains(place) {
        throw .badRecord(
          file: cell.file, line: cell.line,
          problem:
            "the label \"\(text.clipped)\" stands twice; labels are listed by name or number, not as 0 and 1 for each")
      }
      set.append(place)
    }
    return .classSet(set.sorted())
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

extension LabelSpace {
  /// The labels of a training file.
  ///
  /// - All are numbers, and at least one isn't whole: regression, unless `problem` says otherwise.
  /// - They are exactly 0 … n−1, written so: class numbers, in the order of the numbers.
  /// - Anything else: classes by name, in the order of their Unicode scalars.
  ///
  /// Empty, NaN and infinite labels are errors with their lines, as are classes that are all the same.
  static func found(in cells: [LabelCell], problem: ProblemType? = nil) throws -> LabelSpace {
    if problem == .regression { return .regression }
    let names = Set(
      try cells.mapAll { (cell) throws(TaskError) in
        for text in cell.texts {
          if text.isEmpty { throw .emptyLabel(file: cell.file, line: cell.line) }
          if problem == nil, isNotFinite(text) {
            throw .labelNotFinite(file: cell.file, line: cell.line, label: text)
          }
        }
        return cell.texts.map(ExactText.init)
      }.joined())
    var files: [String] = []
    for cell in cells where cell.file != files.last { files.append(cell.file) }
    let numbers = names.compactMap { decimalNumber($0.text) }
    if problem == nil, numbers.count == names.count, numbers.contains(where: { $0 != $0.rounded() }) {
      return .regression
    }
    if problem == .multiLabel {
      if names.isEmpty { throw TaskError.noLabelAtAll(file: named(files)) }
    } else if names.count == 1, let label = names.first {
      throw TaskError.oneClass(file: named(files), label: label.text)
    }
    let classNumbers = (0..<names.count).map(String.init)
    let ordered =
      names.isSuperset(of: classNumbers.map(ExactText.init)) ? classNumbers : names.sorted().map(\.text)
    return problem == .multiLabel ? .labelSets(ordered) : .classes(ordered)
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
