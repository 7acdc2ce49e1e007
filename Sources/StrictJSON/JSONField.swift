import Diagnostics

/// A value in a JSON file together with its place, so that every error names file, line and field.
///
///     let config = try JSONField(parsing: bytes, file: "adapter_config.json")
///     try config.requireOnly(["r", "layers"])
///     let rank = try config.member("r").integer(in: 1...1024)
///     let layers = try config.optional("layers")?.elements().map { try $0.integer() } ?? []
///     // adapter_config.json:3: layers[2]: must be a whole number, not a string
///
/// Each call throws at the first error. `JSONObjectReader` collects all of them.
public struct JSONField: Sendable {
  /// The file's path, or another name of the text.
  public let file: String
  /// Where the value is inside the file, such as `model.vocab` or `layers[2]`; empty for the whole file.
  public let path: String
  /// The value.
  public let node: JSONNode

  /// A value of `file`.
  public init(_ node: JSONNode, file: String, path: String = "") {
    self.file = file
    self.path = path
    self.node = node
  }

  /// The value that `bytes` hold. Throws `JSONSyntaxError`.
  public init(parsing bytes: [UInt8], file: String, dialect: JSONDialect = []) throws {
    self.init(try JSONParser.parse(bytes, file: file, dialect: dialect), file: file)
  }

  /// File, line and path.
  public var place: FilePlace { FilePlace(file: file, line: node.line, field: path) }

  // MARK: - Objects

  /// The members of an object.
  public func object() throws -> JSONObject { try value("an object") { $0.object } }

  /// The member `key`, which must exist; it may be null.
  public func member(_ key: String) throws -> JSONField {
    guard let member = try object()[key] else { throw missing(key) }
    return inside(key, member)
  }

  /// The member `key`; nil if it is absent or null.
  public func optional(_ key: String) throws -> JSONField? {
    guard let member = try object()[key], !member.isNull else { return nil }
    return inside(key, member)
  }

  /// The members of an object, in file order. With `named` false their paths leave out their own names, which saves
  /// time in a large vocabulary.
  public func members(named: Bool = true) throws -> [(key: String, field: JSONField)] {
    let object = try object()
    return object.keys.compactMap { key in
      object[key].map { (key, named ? inside(key, $0) : JSONField($0, file: file, path: path)) }
    }
  }

  /// Throws if an object has a member that is not among `known`.
  public func requireOnly(_ known: [String]) throws {
    for (key, field) in try members() where !known.contains(key) {
      throw field.error(.unknown(nearest: nearestName(to: key, among: known)))
    }
  }

  // MARK: - Other kinds

  /// The elements of a list.
  public func elements() throws -> [JSONField] {
    try value("a list") { $0.array }.enumerated().map { JSONField($1, file: file, path: "\(path)[\($0)]") }
  }

  /// A list of strings.
  public func strings() throws -> [String] { try elements().map { try $0.string() } }

  /// A string.
  public func string() throws -> String { try value("a string") { $0.string } }

  /// True or false.
  public func bool() throws -> Bool { try value("true or false") { $0.bool } }

  /// A whole number, within `range` if there is one.
  public func integer(in range: ClosedRange<Int>? = nil) throws -> Int {
    try checked(value("a whole number") { $0.integer }, in: range)
  }

  /// A whole number of at least `least`.
  public func integer(atLeast least: Int) throws -> Int {
    let integer = try integer()
    guard integer >= least else { throw error(.wrongValue(expected: "at least \(least)", found: "\(integer)")) }
    return integer
  }

  /// A number, within `range` if there is one.
  public func number(in range: ClosedRange<Double>? = nil) throws -> Double {
    try checked(value("a number") { $0.number }, in: range)
  }

  /// The value converted by `convert`, which returns nil if the value is not `expected`.
  public func value<Value>(_ expected: String, _ convert: (JSONNode) -> Value?) throws -> Value {
    guard let value = convert(node) else { throw error(.wrongValue(expected: expected, found: node.kind)) }
    return value
  }

  // MARK: - Errors

  /// An error at this value: `file:line: path: problem`.
  public func error(_ problem: String) -> JSONFieldError { error(.other(problem)) }

  /// An error at this value.
  public func error(_ problem: JSONFieldError.Problem) -> JSONFieldError { .init(place: place, problem: problem) }

  /// The error that the member `key` does not exist.
  public func missing(_ key: String, expected: String? = nil) -> JSONFieldError {
    inside(key, JSONNode(.null, line: node.line)).error(.missing(expected: expected))
  }

  private func checked<Value: Comparable>(_ value: Value, in range: ClosedRange<Value>?) throws -> Value {
    guard let range, !range.contains(value) else { return value }
    throw error(.wrongValue(expected: "from \(range.lowerBound) to \(range.upperBound)", found: "\(value)"))
  }

  /// Long keys are clipped, since the path of everything below repeats them.
  private func inside(_ key: String, _ node: JSONNode) -> JSONField {
    JSONField(node, file: file, path: path.isEmpty ? key.clipped : "\(path).\(key.clipped)")
  }
}

/// A field of a JSON file that is missing or wrong.
public struct JSONFieldError: UserFacingError, Equatable {
  /// File, line and path of the field.
  public let place: FilePlace
  /// What is wrong with it.
  public let problem: Problem

  /// What can be wrong with a field.
  public enum Problem: Sendable, Equatable {
    /// The field does not exist.
    case missing(expected: String? = nil)
    /// The value has another kind or is out of range.
    case wrongValue(expected: String, found: String)
    /// No such field is known.
    case unknown(nearest: String?)
    /// Anything else, as the end of the sentence "path: …".
    case other(String)
  }

  /// `problem` at `place`.
  public init(place: FilePlace, problem: Problem) {
    self.place = place
    self.problem = problem
  }

  /// `file:line: path: problem`.
  public var description: String { "\(place): \(sentence)" }
  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }

  private var sentence: String {
    switch problem {
    case .missing(let expected): "is missing" + (expected.map { "; expected \($0)" } ?? "")
    case .wrongValue(let expected, let found): "must be \(expected), not \(found)"
    case .unknown(let nearest): "unknown key" + (nearest.map { ", did you mean \"\($0)\"?" } ?? "")
    case .other(let problem): problem
    }
  }
}
