import Diagnostics
import Kernels
import StrictJSON

/// A JSON file of a checkpoint, read strictly.
struct JSONFile {
  let path: String
  let node: JSONNode

  static func read(_ path: String) throws -> JSONFile {
    let file = try MappedFile(path: path)
    return JSONFile(path: path, node: try JSONParser.parse(file.text(), file: path))
  }

  /// The member `key` in the form that `form` gives. Throws where it is missing or of another kind.
  func require<Value>(_ key: String, _ form: (JSONNode) -> Value?) throws -> Value {
    guard let member = node[key] else { throw damage(key, line: node.line) }
    guard let value = form(member) else { throw damage(key, line: member.line) }
    return value
  }

  /// The number `key`, which counts up to `most`.
  func count(_ key: String, most: Int = 1 << 53) throws -> Int {
    try require(key) { node in node.integer.flatMap { (0...max(0, most)).contains($0) ? $0 : nil } }
  }

  /// The member `key` as an object; nil where it is null.
  func section(_ key: String) throws -> JSONFile? {
    guard let member = node[key] else { throw damage(key, line: node.line) }
    if member.isNull { return nil }
    guard member.object != nil else { throw damage(key, line: member.line) }
    return JSONFile(path: path, node: member)
  }

  /// The elements of the list `key`.
  func list(_ key: String) throws -> [JSONFile] {
    try require(key, \.array).map { JSONFile(path: path, node: $0) }
  }

  private func damage(_ key: String, line: Int) -> CheckpointDamage {
    CheckpointDamage(path: "\(path):\(line)", problem: "\(key) is missing or is not what it should be")
  }
}

/// A file of a checkpoint that cannot be what was written.
struct CheckpointDamage: UserFacingError, Equatable {
  let path: String
  let problem: String

  var description: String { "\(path): \(problem)" }
  var exitStatus: ExitStatus { .badInput }
}

extension JSONValue {
  /// A number of any kind, bit for bit: JSON itself has no NaN and no infinity.
  static func exact(_ number: Double) -> JSONValue {
    number.isFinite ? .number(number) : .string(String(describing: number))
  }
}

extension JSONNode {
  /// What `JSONValue.exact` wrote.
  var exactNumber: Double? {
    switch string {
    case "nan", "-nan": .nan
    case "inf": .infinity
    case "-inf": -.infinity
    default: number
    }
  }
}
