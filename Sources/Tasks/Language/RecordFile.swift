import StrictJSON

/// A JSON object of a data file.
struct DataRecord: Sendable {
  /// 1-based line on which it begins.
  let line: Int
  let object: JSONNode
}

/// The objects of a JSONL file (one a line, by its ending `.jsonl` or `.ndjson`), or of a JSON file (one array).
struct RecordFile: Sendable {
  let file: String
  let records: [DataRecord]

  /// Whether a file of this name is JSONL.
  static func isJSONLines(_ path: String) -> Bool {
    let name = path.lowercased()
    return name.hasSuffix(".jsonl") || name.hasSuffix(".ndjson")
  }

  /// Reads the file at `path`. Blank lines are no records.
  init(path: String) throws { try self.init(bytes: readFile(path), file: path, isLines: Self.isJSONLines(path)) }

  init(bytes: [UInt8], file: String, isLines: Bool) throws {
    self.file = file
    records = isLines ? try Self.lines(bytes, file) : try Self.array(bytes, file)
    if records.isEmpty { throw TaskError.emptyFile(file: file) }
  }

  private static func array(_ bytes: [UInt8], _ file: String) throws -> [DataRecord] {
    let root = try JSONParser.parse(bytes, file: file)
    guard let elements = root.array else {
      throw TaskError.badRecord(
        file: file, line: root.line, problem: "must be a list of objects, not \(root.kind) (JSONL files end in .jsonl)")
    }
    var problems = ProblemList(file: file)
    for element in elements where element.object == nil {
      problems.add(.badRecord(file: file, line: element.line, problem: "must be an object, not \(element.kind)"))
    }
    try problems.throwIfAny()
    return elements.map { DataRecord(line: $0.line, object: $0) }
  }

  private static func lines(_ bytes: [UInt8], _ file: String) throws -> [DataRecord] {
    var records: [DataRecord] = []
    var problems = ProblemList(file: file)
    for (index, line) in try TextLines(bytes: bytes, file: file).lines.enumerated()
    where !line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) {
      do {
        let node = try JSONParser.parse(Array(line), file: file)
        if node.object == nil {
          problems.add(.badRecord(file: file, line: index + 1, problem: "must be an object, not \(node.kind)"))
        }
        records.append(DataRecord(line: index + 1, object: node))
      } catch let error as JSONSyntaxError {
        problems.add(.badRecord(file: file, line: index + 1, problem: "not JSON: \(error.problem)"))
      }
    }
    try problems.throwIfAny()
    return records
  }
}

extension DataRecord {
  /// The string under `key`, or what is wrong with it. Null is the same as no such key.
  func string(_ key: String, file: String, isRequired: Bool = true) -> Result<String?, TaskError> {
    guard let node = object[key], !node.isNull else {
      if !isRequired { return .success(nil) }
      return .failure(.badRecord(file: file, line: line, problem: "\(key) is missing"))
    }
    guard let text = node.string else {
      return .failure(.badRecord(file: file, line: node.line, problem: "\(key) must be a string, not \(node.kind)"))
    }
    return .success(text)
  }
}

/// Records of a file that nothing can be learnt from, left out. To be shown, never to be hidden.
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
    let shown = lines.prefix(5).map(String.init).joined(separator: ", ") + (lines.count > 5 ? ", …" : "")
    let records = lines.count == 1 ? "1 record" : "\(lines.count) records"
    return "\(file): left out \(records) with \(reason) (\(lines.count == 1 ? "line" : "lines") \(shown))"
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
