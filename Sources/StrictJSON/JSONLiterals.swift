// `let value: JSONValue = ["name": "sst2", "r": 8, "targets": ["query"], "init_from": nil]`

extension JSONValue: ExpressibleByNilLiteral {
  /// `null`.
  public init(nilLiteral: ()) { self = .null }
}

extension JSONValue: ExpressibleByStringLiteral {
  /// A string.
  public init(stringLiteral value: String) { self = .string(value) }
}

extension JSONValue: ExpressibleByIntegerLiteral {
  /// A whole number.
  public init(integerLiteral value: Int) { self = .integer(value) }
}

extension JSONValue: ExpressibleByFloatLiteral {
  /// A number.
  public init(floatLiteral value: Double) { self = .number(value) }
}

extension JSONValue: ExpressibleByBooleanLiteral {
  /// `true` or `false`.
  public init(booleanLiteral value: Bool) { self = .bool(value) }
}

extension JSONValue: ExpressibleByArrayLiteral {
  /// A list.
  public init(arrayLiteral elements: JSONValue...) { self = .list(elements) }
}

extension JSONValue: ExpressibleByDictionaryLiteral {
  /// An object with the members in the order of the literal. If a key occurs twice, the last value wins.
  public init(dictionaryLiteral elements: (String, JSONValue)...) { self = .members(elements) }
}

extension JSONValue {
  /// A list of `elements`.
  public static func list(_ elements: some Sequence<JSONValue>) -> JSONValue {
    .array(elements.map { JSONNode($0) })
  }

  /// A list of strings.
  public static func strings(_ elements: some Sequence<String>) -> JSONValue {
    list(elements.map { .string($0) })
  }

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
