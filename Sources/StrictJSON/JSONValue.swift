import Diagnostics

/// A JSON value with its line, for errors about its meaning.
public struct JSONNode: Sendable, Equatable {
  /// The value.
  public let value: JSONValue
  /// The line in the parsed text, from 1.
  public let line: Int

  /// A node at `line`.
  public init(_ value: JSONValue, line: Int = 1) {
    self.value = value
    self.line = line
  }
}

/// A JSON value.
public enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  /// A number without fraction and exponent that fits `Int`.
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONNode])
  case object(JSONObject)
}

/// The members of a JSON object, in file order. Keys are unique.
///
/// Keys are compared by their scalars, because a vocabulary may contain both a precomposed and a decomposed `é`, which are
/// equal as `String`.
public struct JSONObject: Sendable, Equatable {
  /// Keys in file order.
  public private(set) var keys: [String]
  private var members: [ExactText: JSONNode]

  /// An object with no members.
  public init() {
    keys = []
    members = [:]
  }

  /// The member `key`, or nil. Assigning to a new key appends it; assigning nil removes the member.
  public subscript(key: String) -> JSONNode? {
    get { members[ExactText(key)] }
    set {
      if let newValue {
        if members.updateValue(newValue, forKey: ExactText(key)) == nil { keys.append(key) }
      } else if members.removeValue(forKey: ExactText(key)) != nil {
        keys.removeAll { ExactText($0) == ExactText(key) }
      }
    }
  }

  /// The number of members.
  public var count: Int { keys.count }
}

extension JSONNode {
  /// The member `key` of an object; nil for other values.
  public subscript(key: String) -> JSONNode? { object?[key] }

  /// The members if this is an object.
  public var object: JSONObject? { if case .object(let object) = value { object } else { nil } }
  /// The elements if this is an array.
  public var array: [JSONNode]? { if case .array(let array) = value { array } else { nil } }
  /// The text if this is a string.
  public var string: String? { if case .string(let string) = value { string } else { nil } }
  /// The value if this is true or false.
  public var bool: Bool? { if case .bool(let bool) = value { bool } else { nil } }
  /// The number if it is a whole one (2 or 2.0).
  public var integer: Int? {
    switch value {
    case .integer(let integer): integer
    case .number(let number): Int(exactly: number)
    default: nil
    }
  }
  /// The number if this is one, whole or not.
  public var number: Double? {
    switch value {
    case .integer(let integer): Double(integer)
    case .number(let number): number
    default: nil
    }
  }
  /// Whether this is `null`.
  public var isNull: Bool { value == .null }

  /// The kind of value, for messages: "a string", "null", …
  public var kind: String {
    switch value {
    case .null: "null"
    case .bool: "true or false"
    case .integer: "a whole number"
    case .number: "a number"
    case .string: "a string"
    case .array: "a list"
    case .object: "an object"
    }
  }
}

/// `let value: JSONValue = ["name": "sst2", "r": 8, "targets": ["query"], "init_from": .null]`
///
/// `nil` is no literal of it: where a `JSONValue?` is wanted, it would be taken for `null`.
extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// A string.
  public init(stringLiteral value: String) { self = .string(value) }
  /// A whole number.
  public init(integerLiteral value: Int) { self = .integer(value) }
  /// A number.
  public init(floatLiteral value: Double) { self = .number(value) }
  /// `true` or `false`.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// A list.
  public init(arrayLiteral elements: JSONValue...) { self = .list(elements) }
  /// An object with the members in the order of the literal. If a key occurs twice, the last value wins.
  public init(dictionaryLiteral elements: (String, JSONValue)...) { self = .members(elements) }

  /// A list of `elements`.
  public static func list(_ elements: some Sequence<JSONValue>) -> JSONValue { .array(elements.map { JSONNode($0) }) }

  /// A list of strings.
  public static func strings(_ elements: some Sequence<String>) -> JSONValue { list(elements.map { .string($0) }) }

  /// An object with `members` in their order. If a key occurs twice, the last value wins.
  public static func members(_ members: some Sequence<(String, JSONValue)>) -> JSONValue {
    var object = JSONObject()
    for (key, value) in members { object[key] = JSONNode(value) }
    return .object(object)
  }

  /// `value` with the fewest digits that read back as the same float32: 0.1, not 0.10000000149011612.
  public static func float(_ value: Float) -> JSONValue {
    .number(Double(String(describing: value)) ?? Double(value))
  }
}
