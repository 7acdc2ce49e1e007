import Diagnostics
import StrictJSON

/// A value from the command line that replaces one of the file's.
struct Override: Sendable {
  /// The flag, as messages name it: `--set training.seed`, `--output-dir`.
  let flag: String
  let path: String
  let value: JSONValue

  init(flag: String, path: String, value: JSONValue) {
    self.flag = flag
    self.path = path
    self.value = value
  }

  /// From `path.to.key=value`, where the value is JSON or else bare text.
  init(parsing text: String) throws(ConfigError) {
    guard let equals = text.firstIndex(of: "="), equals > text.startIndex else {
      throw .malformedOverride(text)
    }
    path = String(text[..<equals])
    flag = "--set " + path
    let bare = String(text[text.index(after: equals)...])
    value = (try? JSONParser.parse(bare).value) ?? .string(bare)
    try Self.check(path)
  }

  /// Refuses a path that no config has.
  private static func check(_ path: String) throws(ConfigError) {
    if let hint = problem(with: path) { throw .unknownOverride(path: path, suggestion: hint) }
  }

  /// What follows "unknown key" in a message about a path that no config has; nil for a path that there is.
  static func problem(with path: String) -> String? {
    var known = RunConfig.schema
    var parent = ""
    for key in path.split(separator: ".", omittingEmptySubsequences: false).map(String.init) {
      guard let found = known.first(where: { $0.key == key }) else {
        return known.isEmpty ? ", \(parent) has no keys below it" : suggestion(for: key, in: known, at: parent)
      }
      known = found.below
      parent = joined(parent, key)
    }
    return nil
  }
}

extension JSONNode {
  /// This object with `value` at `path`; sections on the way that are absent or null are made.
  ///
  /// A section that is something else stays: reading it reports that.
  func replacing(_ path: some Sequence<Substring>, with value: JSONValue) -> JSONNode {
    var rest = Array(path)
    guard !rest.isEmpty else { return JSONNode(value, line: line) }
    guard var object = isNull ? JSONObject() : object else { return self }
    let key = String(rest.removeFirst())
    let member = object[key] ?? JSONNode(.null, line: line)
    object[key] = member.replacing(rest, with: value)
    return JSONNode(.object(object), line: line)
  }

  /// The line of the deepest value on the way to `path`.
  func line(of path: some Sequence<Substring>) -> Int {
    var node = self
    for key in path {
      guard let member = node[String(key)] else { break }
      node = member
    }
    return node.line
  }
}
