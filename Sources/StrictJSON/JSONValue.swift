/// A JSON value with the line it starts on, so that an error about its meaning can point at it.
public struct JSONNode: Sendable, Equatable {
  /// The value itself.
  public let value: JSONValue
  /// 1-based line in the parsed text.
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
  /// A number written without fraction and exponent that fits `Int`.
  case integer(Int)
  case number(Double)
  case string(String)
  case array([JSONNode])
  case object(JSONObject)
}

/// The members of a JSON object, in file order; no key occurs twice.
///
/// Keys are the same where their scalars are: a vocabulary may hold both a precomposed and a decomposed `é`,
/// which Swift's `String` takes for equal.
public struct JSONObject: Sendable, Equatable {
  /// Keys in file order.
  public private(set) var keys: [String]
  private var members: [ExactKey: JSONNode]

  /// An object with no members.
  public init() {
    keys = []
    members = [:]
  }

  /// The member `key`, or nil. Assigning a new key appends it; assigning nil removes.
  public subscript(key: String) -> JSONNode? {
    get { members[ExactKey(text: key)] }
    set {
      if let newValue {
        if members.updateValue(newValue, forKey: ExactKey(text: key)) == nil { keys.append(key) }
      } else if members.removeValue(forKey: ExactKey(text: key)) != nil {
        keys.removeAll { ExactKey(text: $0) == ExactKey(text: key) }
      }
    }
  }

  /// How many members there are.
  public var count: Int { keys.count }
}

/// A string that equals another scalar by scalar only.
private struct ExactKey: Hashable {
  var text: String

  static func == (a: Self, b: Self) -> Bool { a.text.utf8.elementsEqual(b.text.utf8) }

  func hash(into hasher: inout Hasher) {
    var text = text
    text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
  }
}

extension JSONNode {
  /// The member `key` of an object; nil for other values.
  public subscript(key: String) -> JSONNode? { object?[key] }

  /// The members, where this is an object.
  public var object: JSONObject? { if case .object(let object) = value { object } else { nil } }
  /// The elements, where this is an array.
  public var array: [JSONNode]? { if case .array(let array) = value { array } else { nil } }
  /// The text, where this is a string.
  public var string: String? { if case .string(let string) = value { string } else { nil } }
  /// The truth value, where this is one.
  public var bool: Bool? { if case .bool(let bool) = value { bool } else { nil } }
  /// The number, where this is a whole one (2 and 2.0 alike).
  public var integer: Int? {
    switch value {
    case .integer(let integer): integer
    case .number(let number): Int(exactly: number)
    default: nil
    }
  }
  /// The number, whole or not.
  public var number: Double? {
    switch value {
    case .integer(let integer): Double(integer)
    case .number(let number): number
    default: nil
    }
  }
  /// Whether this is `null`.
  public var isNull: Bool { value == .null }

  /// What kind of value this is, for messages: "a string", "null", …
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
