import Diagnostics
import Foundation
import Metrics

/// Texts to label or questions to answer, as bytes.
public struct PredictionInput: Sendable {
  /// The bytes.
  public let bytes: [UInt8]
  /// Names them in errors.
  public let name: String
  /// Whether they come from a pipe, so that the name tells nothing about their format.
  public let isPipe: Bool

  /// What came by a pipe, or from elsewhere in memory.
  public init(bytes: [UInt8], name: String) { (self.bytes, self.name, isPipe) = (bytes, name, true) }

  /// Reads the file at `path`. Throws where that fails.
  public init(path: String) throws { (bytes, name, isPipe) = (try readFile(path), path, false) }

  /// One example a line: the whole line, or for pairs two fields and one TAB.
  public func lines(asPairs: Bool) throws -> [Example] {
    try textLines(bytes, file: name).enumerated().mapAll { (number, bytes) throws(TaskError) in
      let row = Row(line: number + 1, .line(bytes))
      guard asPairs else { return Example(text: String(decoding: bytes, as: UTF8.self), file: name, line: row.line) }
      let fields = row.fields
      guard fields.count == 2 else { throw .notAPair(file: name, line: row.line, fields: fields.count) }
      return Example(text: fields[0], pair: fields[1], file: name, line: row.line)
    }
  }

  /// Texts to continue: those in `column` of a table, or else one a line. A file's ending tells its format if `style` does
  /// not; what comes by a pipe is then text.
  public func texts(style: TableStyle, column: Column) throws -> [String] {
    let format = try style.format(of: isPipe ? "" : name, otherwise: .text)
    guard format == .text else {
      let table = try Table(bytes: bytes, file: name, format: format, delimiter: style.separator())
      let text = try table.texts(column)
      return try table.rows.mapAll(text)
    }
    if !isPipe, style.format == nil, let format = FileFormat(recognizedIn: withoutMark(bytes), column: column) {
      throw TaskError.recordsInText(file: name, format: format)
    }
    return try textLines(bytes, file: name).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The format of the bytes if they are a table in `layout`; nil if they are one text or pair a line. Throws where a file
  /// is plainly a table, but in another layout.
  ///
  /// The first line of a table names the text columns; in a layout without a header it has the fields for them, and
  /// more than the one of a text or the two of a pair.
  func tableFormat(_ layout: TableLayout) throws -> FileFormat? {
    let told = layout.style.format ?? (isPipe ? nil : FileFormat(ending: name))
    let format = told ?? (layout.style.delimiter == nil ? .tsv : .csv)
    if format.isJSON {
      let first = bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
      return !isPipe || first == UInt8(ascii: "{") || first == UInt8(ascii: "[") ? format : nil
    }
    if format == .csv, !isPipe { return format }
    let fields = try firstFields(format, layout)
    if let header = layout.testHeader, fields.areExactly(header) { return format }
    let isTable = layout.texts.allSatisfy { column in
      switch column {
      case .name(let name): fields.place(of: name) != nil
      case .index(let index): index < fields.count && fields.count > layout.texts.count
      }
    }
    if isTable { return format }
    let isNamed = !isPipe && FileFormat(ending: name) == .tsv
    if isNamed, fields.count > layout.texts.count, let missing = layout.missing(fields) {
      throw TaskError.missingColumn(file: name, column: missing, header: fields)
    }
    return nil
  }

  /// Notes for the user on lines that are read as texts or pairs although they have TABs.
  func lineNotes(_ layout: TableLayout) throws -> [String] {
    let fields = try firstFields(.tsv, layout), isPair = layout.texts.count == 2
    guard fields.count > 1, let missing = layout.missing(fields), !isPair || !isPipe else { return [] }
    let what = isPair ? "a pair of texts" : "a text, TABs and all"
    return ["\(name):1: no known header: there is no column \(missing); every line is read as \(what)"]
  }

  /// The fields of the first line.
  private func firstFields(_ format: FileFormat, _ layout: TableLayout) throws -> [String] {
    var line = withoutMark(bytes).prefix { $0 != UInt8(ascii: "\n") }
    if line.last == UInt8(ascii: "\r") { line.removeLast() }
    if format == .tsv { return Row(line: 1, .line(line)).fields }
    // A quote that does not end on the line is no header's.
    return (try? csvRows(Array(line), file: name, delimiter: layout.style.separator()).first?.fields) ?? []
  }
}

extension TableLayout {
  /// The first text column that a header of these fields lacks.
  fileprivate func missing(_ fields: [String]) -> Column? {
    texts.first { column in if case .name(let name) = column { fields.place(of: name) == nil } else { false } }
  }
}

/// The text of a predictions file: TSV with a header, one line an example, in file order.
///
///     index  prediction  label  score_0  score_1
///     0      1           1      -1.02539062  1.17382812
///
/// `index` counts from 0. `prediction` is a class's name, the names of all labels above one half, or the value of a
/// regression. `label` is empty where it is
/// unknown. Scores are raw, with nine significant digits, which give back the same float32.
public struct PredictionTable: Sendable {
  /// What is predicted.
  public let labels: LabelSpace
  /// What stands between several labels.
  public let separator: String

  /// A table of predictions of `labels`; `separator` stands between several, nil: a comma.
  public init(labels: LabelSpace, separator: String? = nil) {
    (self.labels, self.separator) = (labels, separator ?? ",")
  }

  /// A table of answers to questions with at most `choices` choices each, by their letters; scores are log-likelihoods.
  public init(choices: Int) { self.init(labels: .classes(Array(ChoiceQuestion.letters.prefix(choices)))) }

  /// The first line, with its LF.
  public var header: String {
    (["index", "prediction", "label"] + (0..<labels.outputs).map { "score_\($0)" }).joined(separator: "\t") + "\n"
  }

  /// The line of one example, with its LF.
  public func line(index: Int, scores: [Float], label: Label?) -> String {
    let known =
      switch label {
      case .classIndex(let index): name(index)
      case .classSet(let set): set.map(name).joined(separator: separator)
      case .score(let score): Self.digits(score)
      case nil: ""
      }
    // A question may have fewer choices than another.
    let cells = scores.map(Self.digits) + Array(repeating: "", count: max(0, labels.outputs - scores.count))
    return ([String(index), prediction(scores), known] + cells).joined(separator: "\t") + "\n"
  }

  /// The whole file. `labels` are as many as `scores`, and so are the numbers of the examples where some were left out.
  public func text(scores: [[Float]], labels: [Label?], numbers: [Int]? = nil) -> String {
    zip(scores, labels).enumerated().reduce(into: header) { text, row in
      text += line(index: numbers?[row.offset] ?? row.offset, scores: row.element.0, label: row.element.1)
    }
  }

  /// What `prediction` says of these scores.
  public func prediction(_ scores: [Float]) -> String {
    switch labels {
    case .classes: name(argmax(scores))
    case .labelSets: holding(scores).joined(separator: separator)
    case .regression: scores.first.map(Self.digits) ?? ""
    }
  }

  /// The labels of which these scores say that they hold: those with a probability above one half.
  public func holding(_ scores: [Float]) -> [String] { Predictions.set(scores).map(name) }

  /// The name of class `index`.
  public func name(_ index: Int) -> String {
    labels.names.indices.contains(index) ? labels.names[index] : String(index)
  }

  /// Nine significant digits, trailing zeros included.
  static func digits(_ value: Float) -> String { String(format: "%#.9g", Double(value)) }
}
