import Diagnostics
import Kernels
import StrictJSON

/// The members of a JSON object in an adapter's config, read strictly: what is missing or of another kind is an error
/// that names file, line and field.
struct ConfigFields {
  /// The file.
  let file: String
  /// Path of the object inside the file, with a dot at its end; empty for the whole file.
  let prefix: String
  let object: JSONObject
  let line: Int

  /// The object that the file holds.
  init(file: String) throws {
    let mapped = try MappedFile(path: file)
    let node = try JSONParser.parse(mapped.text(), file: file)
    try self.init(node, file: file, prefix: "")
  }

  /// The object `node`, a part of `file`.
  init(_ node: JSONNode, file: String, prefix: String) throws {
    guard let object = node.object else {
      let field = String(prefix.dropLast())
      throw AdapterFileError(
        place: "\(file):\(node.line)", problem: field.isEmpty ? .notAnObject : .wrongField(field, expected: "an object")
      )
    }
    self.file = file
    self.prefix = prefix
    self.object = object
    line = node.line
  }

  func string(_ key: String) throws -> String { try value(key, "a string") { $0.string } }
  func integer(_ key: String) throws -> Int { try value(key, "a whole number") { $0.integer } }
  func number(_ key: String) throws -> Double { try value(key, "a number") { $0.number } }
  func bool(_ key: String) throws -> Bool { try value(key, "true or false") { $0.bool } }

  func strings(_ key: String) throws -> [String] {
    try value(key, "a list of strings") { node in
      guard let array = node.array else { return nil }
      let strings = array.compactMap(\.string)
      return strings.count == array.count ? strings : nil
    }
  }

  func fields(_ key: String) throws -> ConfigFields {
    try ConfigFields(node(key), file: file, prefix: prefix + key + ".")
  }

  /// The member, or nil where it is missing or `null`.
  func optional(_ key: String) -> JSONNode? { object[key].flatMap { $0.isNull ? nil : $0 } }

  /// Throws where there is a key that is not `known`.
  func requireOnly(_ known: [String]) throws {
    for key in object.keys where !known.contains(key) {
      throw failure(.unknownField(prefix + key, nearest: nearestName(to: key, among: known)), at: object[key])
    }
  }

  /// `problem`, at the line of `node` or of the whole object.
  func failure(_ problem: AdapterFileError.Problem, at node: JSONNode? = nil) -> AdapterFileError {
    AdapterFileError(place: "\(file):\(node?.line ?? line)", problem: problem)
  }

  private func node(_ key: String) throws -> JSONNode {
    guard let node = object[key] else { throw failure(.missingField(prefix + key)) }
    return node
  }

  private func value<Value>(_ key: String, _ expected: String, _ convert: (JSONNode) -> Value?) throws -> Value {
    let node = try node(key)
    guard let value = convert(node) else {
      throw failure(.wrongField(prefix + key, expected: expected), at: node)
    }
    return value
  }
}
