import Diagnostics
import StrictJSON

/// A value that a template works with, as Python sees it: text is a sequence of code points, so that `é` in one and in
/// two code points are two different keys.
///
///     let message: JinjaValue = ["role": "user", "content": .string(text)]
///     let messages = JinjaValue(json)     // a parsed JSON value
public enum JinjaValue: Sendable {
  /// A name, key or attribute that does not exist. It prints nothing and is false; anything else is an error.
  case undefined(JinjaUndefined)
  case none
  case bool(Bool)
  case integer(Int)
  case float(Double)
  case string(String)
  /// Text that `|safe` or `|escape` has marked: what is added to it gets escaped, as in Python's markupsafe.
  case markup(String)
  case list(JinjaList)
  case tuple(JinjaList)
  case object(JinjaObject)
  /// A macro, a namespace, a generator …: things that exist only while a template runs.
  case reference(JinjaReference)
}

/// The elements of a list or tuple. It never changes.
public final class JinjaList: Sendable {
  /// The elements in their order.
  public let elements: [JinjaValue]
  /// How deep lists are nested in it: 1 for a flat one.
  let depth: Int
  /// Whether this is a pair of the filter `groupby`, which has the attributes `grouper` and `list`.
  let isGroup: Bool

  /// A list of `elements`.
  public convenience init(_ elements: [JinjaValue]) { self.init(elements, isGroup: false) }

  init(_ elements: [JinjaValue], isGroup: Bool) {
    self.elements = elements
    self.isGroup = isGroup
    depth = 1 + (elements.lazy.map(\.depth).max() ?? 0)
  }
}

/// What is known about a value that does not exist, for the error when it is used.
public final class JinjaUndefined: Sendable {
  /// Why the value is undefined.
  enum Reason: Sendable {
    case name(String)
    case member(String, of: String)
    case element(String, of: String)
    case other(String)
  }
  let reason: Reason

  init(_ reason: Reason) { self.reason = reason }

  /// jinja2's sentence.
  var message: String {
    switch reason {
    case .name(let name): "\(PythonText.quoted(name)) is undefined"
    case .member(let name, let type): "'\(type)' has no attribute \(PythonText.quoted(name))"
    case .element(let name, let type): "\(type) has no element \(name)"
    case .other(let message): message
    }
  }
}

extension JinjaValue {
  /// The value of a JSON text.
  public init(_ json: JSONValue) {
    switch json {
    case .null: self = .none
    case .bool(let bool): self = .bool(bool)
    case .integer(let integer): self = .integer(integer)
    case .number(let number): self = .float(number)
    case .string(let string): self = .string(string)
    case .array(let nodes): self = .list(JinjaList(nodes.map { JinjaValue($0.value) }))
    case .object(let object):
      self = .members(object.keys.compactMap { key in object[key].map { (key, JinjaValue($0.value)) } })
    }
  }

  /// A list of `elements`.
  public static func elements(_ elements: some Sequence<JinjaValue>) -> JinjaValue {
    .list(JinjaList(Array(elements)))
  }

  /// An object with `members` in their order. If a key occurs twice, the last value wins.
  public static func members(_ members: some Sequence<(String, JinjaValue)>) -> JinjaValue {
    var builder = JinjaObject.Builder()
    for (key, value) in members { builder.set(.text(ExactText(key)), key: .string(key), value: value) }
    return .object(builder.object)
  }

  static func pair(_ first: JinjaValue, _ second: JinjaValue) -> JinjaValue { .tuple(JinjaList([first, second])) }

  static func undefined(_ message: String) -> JinjaValue { .undefined(JinjaUndefined(.other(message))) }

  /// How deep values are nested: 0 for numbers and text.
  var depth: Int {
    switch self {
    case .list(let list), .tuple(let list): list.depth
    case .object(let object): object.depth
    case .reference(let reference): reference.depth
    default: 0
    }
  }

  /// The text of a string, marked safe or not.
  var text: String? {
    switch self {
    case .string(let text), .markup(let text): text
    default: nil
    }
  }

  var isUndefined: Bool { if case .undefined = self { true } else { false } }
  var isNone: Bool { if case .none = self { true } else { false } }

  /// The number of a whole one; Python counts False and True as 0 and 1.
  var integer: Int? {
    switch self {
    case .bool(let bool): bool ? 1 : 0
    case .integer(let integer): integer
    default: nil
    }
  }

  /// The number of any kind.
  var number: Double? {
    if case .float(let float) = self { float } else { integer.map(Double.init) }
  }

  /// What Python calls the type.
  var typeName: String {
    switch self {
    case .undefined: "Undefined"
    case .none: "NoneType"
    case .bool: "bool"
    case .integer: "int"
    case .float: "float"
    case .string: "str"
    case .markup: "Markup"
    case .list: "list"
    case .tuple(let list): list.isGroup ? "_GroupTuple" : "tuple"
    case .object: "dict"
    case .reference(let reference): reference.typeName
    }
  }

  /// What jinja2 calls the object in errors.
  var objectName: String {
    switch self {
    case .none: "None"
    case .undefined: "jinja2.runtime.Undefined object"
    case .markup: "markupsafe.Markup object"
    case .reference(let reference): reference.objectName
    default: "\(typeName) object"
    }
  }
}

/// `let message: JinjaValue = ["role": "user", "content": "Hi", "parts": [1, 2.5, true, .none]]`
///
/// `nil` is no literal of it: beside optional values, that would be one thing or the other.
extension JinjaValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
  ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  /// A string.
  public init(stringLiteral value: String) { self = .string(value) }
  /// A whole number.
  public init(integerLiteral value: Int) { self = .integer(value) }
  /// A number.
  public init(floatLiteral value: Double) { self = .float(value) }
  /// `true` or `false`.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  /// A list.
  public init(arrayLiteral elements: JinjaValue...) { self = .elements(elements) }
  /// An object with the members in the order of the literal. If a key occurs twice, the last value wins.
  public init(dictionaryLiteral elements: (String, JinjaValue)...) { self = .members(elements) }
}
