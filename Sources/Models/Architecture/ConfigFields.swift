import Diagnostics
import StrictJSON

/// Reads typed fields of a JSON object and gathers what is wrong with them.
///
/// A reader returns its default after an error, so that all errors come out in one pass; `finish` throws them.
public struct ConfigFields {
  private let file: String
  private let root: JSONNode
  private var errors: [ModelConfigError] = []

  init(_ root: JSONNode, file: String) {
    self.root = root
    self.file = file
    if root.object == nil { errors.append(.init(file: file, line: root.line, problem: .notAnObject(kind: root.kind))) }
  }

  /// Throws what was found, in the order of the lines.
  func finish() throws {
    let sorted = errors.enumerated().sorted { ($0.element.line, $0.offset) < ($1.element.line, $1.offset) }
    try ErrorList.throwIfAny(sorted.map(\.element))
  }

  /// The member `key`; nil where it is absent or null.
  public func node(_ key: String) -> JSONNode? { root[key].flatMap { $0.isNull ? nil : $0 } }

  /// Whether there is a member `key`, be it null.
  public func has(_ key: String) -> Bool { root[key] != nil }

  /// Notes that `problem` stands at the member `key`.
  public mutating func report(_ key: String, _ problem: ModelConfigError.Problem) {
    errors.append(ModelConfigError(file: file, line: root[key]?.line ?? root.line, problem: problem))
  }

  /// A whole number in `range`; `standard` where it is absent. `null` is an error.
  public mutating func integer(_ key: String, _ standard: Int, in range: ClosedRange<Int>) -> Int {
    if root[key]?.isNull == true { wrongType(key, "a whole number") }
    return optionalInteger(key, in: range) ?? standard
  }

  /// A whole number in `range`; nil where it is absent or null.
  public mutating func optionalInteger(_ key: String, in range: ClosedRange<Int>) -> Int? {
    guard let node = node(key) else { return nil }
    guard let value = node.integer else { return wrongType(key, "a whole number") }
    guard range.contains(value) else {
      let expected = "\(range.lowerBound) to \(range.upperBound)"
      report(key, .outOfRange(field: key, value: String(value), expected: expected))
      return nil
    }
    return value
  }

  /// A number in `range`; nil where it is absent or null.
  public mutating func optionalNumber(_ key: String, in range: ClosedRange<Double>) -> Double? {
    guard let node = node(key) else { return nil }
    guard let value = node.number else { return wrongType(key, "a number") }
    guard range.contains(value) else {
      report(key, .outOfRange(field: key, value: "\(value)", expected: "\(range.lowerBound) to \(range.upperBound)"))
      return nil
    }
    return value
  }

  /// A number in `range`; `standard` where it is absent. `null` is an error.
  public mutating func number(_ key: String, _ standard: Double, in range: ClosedRange<Double>) -> Double {
    if root[key]?.isNull == true { wrongType(key, "a number") }
    return optionalNumber(key, in: range) ?? standard
  }

  /// A probability of dropping, from 0 to below 1; nil where it is absent or null.
  public mutating func optionalDropout(_ key: String) -> Float? {
    guard let value = optionalNumber(key, in: 0...1) else { return nil }
    guard Float(value) < 1 else {
      report(key, .outOfRange(field: key, value: "\(value)", expected: "a probability below 1"))
      return nil
    }
    return Float(value)
  }

  /// True or false; `standard` where it is absent or null.
  public mutating func bool(_ key: String, _ standard: Bool) -> Bool {
    guard let node = node(key) else { return standard }
    return node.bool ?? wrongType(key, "true or false") ?? standard
  }

  /// A text; nil where it is absent or null.
  public mutating func optionalString(_ key: String) -> String? {
    guard let node = node(key) else { return nil }
    return node.string ?? wrongType(key, "a string")
  }

  /// Notes that the member `key` is not `expected`; nil, for the caller to return.
  mutating func wrongType<Value>(_ key: String, _ expected: String) -> Value? {
    wrongType(key, expected)
    return nil
  }

  /// Notes that the member `key` is not `expected`.
  public mutating func wrongType(_ key: String, _ expected: String) {
    report(key, .wrongType(field: key, kind: root[key]?.kind ?? "absent", expected: expected))
  }
}
