import Diagnostics
import StrictJSON

/// An option of a method: a key of the config's section that is named like the method.
public struct MethodOption: Sendable {
  /// What values there are.
  public enum Kind: Sendable {
    /// A whole number within bounds.
    case integer(ClosedRange<Int>)
    /// A number of at least a bound.
    case number(atLeast: Double)
    /// A number above 0.
    case positive
    /// A number above 0 and below 1.
    case share
    /// true or false.
    case truth
    /// Levels of sharing.
    case levels
  }

  /// The key.
  public let key: String
  /// One sentence for the schema and the documentation.
  public let summary: String
  /// What values there are.
  public let kind: Kind
  /// The value that stands where none is given; null where the method finds one.
  public let fallback: JSONValue

  /// An option.
  public init(_ key: String, _ kind: Kind, default fallback: JSONValue, _ summary: String) {
    (self.key, self.kind, self.fallback, self.summary) = (key, kind, fallback, summary)
  }

  /// What a value must be, to complete the sentence "must be …".
  public var expected: String {
    let what: String
    switch kind {
    case .integer(let range):
      what =
        range.upperBound == Self.most
        ? "a whole number of at least \(range.lowerBound)"
        : "a whole number from \(range.lowerBound) to \(range.upperBound)"
    case .number(let least): what = "a number of at least \(JSONWriter.text(plain(least), pretty: false))"
    case .positive: what = "a number above 0"
    case .share: what = "a number above 0 and below 1"
    case .truth: what = "true or false"
    case .levels: what = SharingLevel.expectedList
    }
    return fallback == .null ? what + " or null" : what
  }

  /// The largest whole number: products of a few cannot overflow.
  public static let most = Int(Int32.max)

  /// The value in `node`; nil if it is none of the option's.
  public func value(_ node: JSONNode) -> JSONValue? {
    if node.isNull { return fallback }
    func number(_ isRight: (Double) -> Bool) -> JSONValue? {
      guard let number = node.number, isRight(number) else { return nil }
      return plain(number)
    }
    switch kind {
    case .integer(let range):
      guard let number = node.integer, range.contains(number) else { return nil }
      return .integer(number)
    case .number(let least): return number { $0 >= least }
    case .positive: return number { $0 > 0 }
    case .share: return number { $0 > 0 && $0 < 1 }
    case .truth: return node.bool.map { .bool($0) }
    case .levels:
      let (levels, faults) = SharingLevel.read(node)
      return faults.isEmpty ? .list(levels.map(\.json)) : nil
    }
  }

  /// Something within a value that is wrong.
  public struct Fault: Sendable {
    /// Where in the value: `[1].rank`; empty for all of it.
    public let path: String
    /// What stands there.
    public let node: JSONNode
    /// What must stand there, to complete the sentence "must be …".
    public let expected: String

    init(_ path: String, _ node: JSONNode, _ expected: String) {
      (self.path, self.node, self.expected) = (path, node, expected)
    }
  }

  /// Everything that is wrong with the value in `node`.
  public func faults(in node: JSONNode) -> [Fault] {
    if value(node) != nil { return [] }
    if case .levels = kind { return SharingLevel.read(node).faults }
    return [Fault("", node, expected)]
  }

  /// The values, as a JSON Schema.
  public var schema: JSONValue {
    switch kind {
    case .integer(let range):
      ["type": "integer", "minimum": .integer(range.lowerBound), "maximum": .integer(range.upperBound)]
    case .number(let least): ["type": "number", "minimum": plain(least)]
    case .positive: ["type": "number", "exclusiveMinimum": 0]
    case .share: ["type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1]
    case .truth: ["type": "boolean"]
    case .levels: SharingLevel.schema
    }
  }
}

extension JSONField {
  /// A rank, or another size that a file gives, of which products of a few cannot overflow.
  func size(atLeast least: Int = 1) throws -> Int {
    let size = try integer(atLeast: least)
    guard size <= MethodOption.most else {
      throw error(.wrongValue(expected: "at most \(MethodOption.most)", found: "\(size)"))
    }
    return size
  }
}

/// The values of a method's options.
public struct MethodValues: Sendable, Equatable {
  /// Each key with its value, in the order of the declaration.
  public private(set) var members: [(key: String, value: JSONValue)] = []

  /// No values.
  public init() {}

  /// The defaults.
  init(defaultsOf options: [MethodOption]) { members = options.map { ($0.key, $0.fallback) } }

  /// The value of `key`; setting one that there is not yet adds it.
  public subscript(key: String) -> JSONValue? {
    get { members.first { $0.key == key }?.value }
    set {
      guard let newValue else { return members.removeAll { $0.key == key } }
      if let index = members.firstIndex(where: { $0.key == key }) {
        members[index].value = newValue
      } else {
        members.append((key, newValue))
      }
    }
  }

  /// A whole number; 0 for null.
  public func integer(_ key: String) -> Int { JSONNode(self[key] ?? .null).integer ?? 0 }
  /// A number; 0 for null.
  public func number(_ key: String) -> Double { JSONNode(self[key] ?? .null).number ?? 0 }
  /// Whether it is true.
  public func truth(_ key: String) -> Bool { JSONNode(self[key] ?? .null).bool ?? false }
  /// A whole number that need not be given; nil for null.
  func size(_ key: String) -> Int? { self[key].flatMap { JSONNode($0).integer } }
  /// Levels of sharing.
  public func levels(_ key: String) -> [SharingLevel] { SharingLevel.read(JSONNode(self[key] ?? .null)).levels }

  /// These values with those of `other` in their places; keys that only `other` has are left out.
  func replacing(_ other: MethodValues) -> MethodValues {
    var values = self
    for (key, _) in members { values[key] = other[key] ?? self[key] }
    return values
  }

  /// How they differ from those of an adapter: `key is old there and new here`.
  public func differences(from adapter: MethodValues) -> [String] {
    members.compactMap { key, value in
      let other = adapter[key] ?? .null
      func text(_ value: JSONValue) -> String { JSONWriter.text(value, pretty: false) }
      return text(other) == text(value) ? nil : "\(key) is \(text(other)) there and \(text(value)) here"
    }
  }

  /// The values as an object.
  public var json: JSONValue { .members(members.map { ($0.key, $0.value) }) }

  /// Whether two have the same keys and values in the same order.
  public static func == (one: MethodValues, other: MethodValues) -> Bool { one.json == other.json }
}
