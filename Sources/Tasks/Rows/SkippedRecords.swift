/// Records of a file that nothing can be learnt from, left out. They are always shown.
public struct SkippedRecords: Sendable, Equatable, CustomStringConvertible {
  /// The file.
  public let file: String
  /// What they lack, such as "an empty output".
  public let reason: String
  /// The 1-based lines on which they begin.
  public let lines: [Int]

  /// What was left out of `file`.
  public init(file: String, reason: String, lines: [Int]) {
    (self.file, self.reason, self.lines) = (file, reason, lines)
  }

  /// `data.json: left out 2 records with an empty output (lines 7, 9)`.
  public var description: String {
    let records = lines.count == 1 ? "1 record" : "\(lines.count) records"
    return RecordNotice("left out \(records) with \(reason)", file: file, lines: lines).description
  }
}

/// What was done with some records of a file, and with which.
struct RecordNotice: CustomStringConvertible {
  let file: String
  let what: String
  /// The 1-based lines on which they begin.
  let lines: [Int]

  init(_ what: String, file: String, lines: [Int]) { (self.what, self.file, self.lines) = (what, file, lines) }

  /// `data.json: left out 2 records with an empty output (lines 7, 9)`; names three lines and counts the others.
  var description: String {
    let shown = lines.prefix(3).map(String.init).joined(separator: ", ")
    let more = lines.count > 3 ? " and \(lines.count - 3) more" : ""
    return "\(file): \(what) (\(lines.count == 1 ? "line" : "lines") \(shown)\(more))"
  }
}

/// Collects what is left out of a file.
struct SkipList {
  let file: String
  private var lines: [(reason: String, lines: [Int])] = []

  init(file: String) { self.file = file }

  mutating func add(_ reason: String, line: Int) {
    if let index = lines.firstIndex(where: { $0.reason == reason }) {
      lines[index].lines.append(line)
    } else {
      lines.append((reason, [line]))
    }
  }

  var all: [SkippedRecords] { lines.map { SkippedRecords(file: file, reason: $0.reason, lines: $0.lines) } }

  /// Throws where nothing is left of `count` records.
  func throwIfNothingLeft(of count: Int) throws {
    if lines.reduce(0, { $0 + $1.lines.count }) < count { return }
    throw TaskError.nothingUsable(file: file, reasons: all.map(\.reason))
  }
}
