import Diagnostics
import StrictJSON

/// What would have been right, to complete the sentence "must be …".
struct Expected: Error {
  let what: String
}

/// How values of one type and range are read from JSON and written back.
///
///     .integer(1...)    .number(atLeast: 0, below: 1)    .choice    .text
struct FieldKind<Value: Sendable>: Sendable {
  typealias Reading = Result<Value, Expected>

  let read: @Sendable (JSONNode) -> Reading
  let write: @Sendable (Value) -> JSONValue
  /// What is accepted, as a JSON Schema.
  let schema: JSONValue

  /// The same values, and null for "not given".
  var orNull: FieldKind<Value?> {
    FieldKind<Value?>(
      read: { node in
        if node.isNull { return .success(nil) }
        return self.read(node).map(Optional.some).mapError { Expected(what: $0.what + " or null") }
      },
      write: { value in value.map(self.write) ?? .null }, schema: schema.orNull)
  }

  /// The same values, and null for `fallback`.
  func or(_ fallback: Value) -> Self {
    let kind = orNull
    return Self(read: { kind.read($0).map { $0 ?? fallback } }, write: write, schema: kind.schema)
  }
}

extension Result where Failure == Expected {
  static func expected(_ what: String) -> Self { .failure(Expected(what: what)) }
}

extension FieldKind where Value == Bool {
  static var truth: Self {
    Self(
      read: { $0.bool.map { .success($0) } ?? .expected("true or false") }, write: { .bool($0) },
      schema: ["type": "boolean"])
  }
}

extension FieldKind where Value == String {
  /// Text that is not empty.
  static var text: Self {
    Self(
      read: { node in
        guard let text = node.string, !text.isEmpty else { return .expected("non-empty text") }
        return .success(text)
      },
      write: { .string($0) }, schema: ["type": "string", "minLength": 1])
  }

  /// One of `names`.
  static func name(of names: [String]) -> Self {
    Self(
      read: { node in
        if let text = node.string, names.contains(text) { return .success(text) }
        let near = node.string.flatMap { nearestName(to: $0, among: names) }
        return .expected(
          "one of \(names.joined(separator: ", "))" + (near.map { " (did you mean \($0)?)" } ?? ""))
      },
      write: { .string($0) }, schema: ["enum": .strings(names)])
  }

  /// A metric's name, with or without HF's prefix `eval_`.
  static var metric: Self {
    let text = text
    return Self(
      read: { node in text.read(node).map { $0.hasPrefix("eval_") ? String($0.dropFirst("eval_".count)) : $0 } },
      write: text.write, schema: text.schema)
  }
}

extension FieldKind where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
  /// One of the cases' names.
  static var choice: Self {
    let names = FieldKind<String>.name(of: Value.allCases.map(\.rawValue))
    return Self(
      read: { node in
        names.read(node).flatMap { Value(rawValue: $0).map { .success($0) } ?? .expected("a known name") }
      },
      write: { .string($0.rawValue) }, schema: names.schema)
  }
}

extension FieldKind where Value == Int {
  /// Counts stop here, so that products of a few of them can't overflow.
  static var largestCount: Int { Int(Int32.max) }

  /// A whole number of at least `range.lowerBound`, at most `limit`.
  static func integer(_ range: PartialRangeFrom<Int>, limit: Int = largestCount) -> Self {
    let schema: JSONValue = ["type": "integer", "minimum": .integer(range.lowerBound)]
    return Self(
      read: { node in
        guard let integer = node.integer, integer >= range.lowerBound else {
          return .expected("a whole number of at least \(range.lowerBound)")
        }
        return integer <= limit ? .success(integer) : .expected("a whole number of at most \(limit)")
      },
      write: { .integer($0) }, schema: limit == .max ? schema : schema.adding("maximum", .integer(limit)))
  }
}

extension FieldKind where Value == Double {
  /// A number within these bounds, of which at most one is given for each side.
  static func number(
    atLeast least: Double? = nil, above: Double? = nil, below: Double? = nil, atMost most: Double? = nil
  ) -> Self {
    let bounds = [("minimum", least), ("exclusiveMinimum", above), ("exclusiveMaximum", below), ("maximum", most)]
    var schema: JSONValue = [:]
    for (key, bound) in bounds { if let bound { schema = schema.adding(key, plain(bound)) } }
    let words = [("of at least ", least), ("above ", above), ("below ", below), ("at most ", most)]
    var what = words.compactMap { word, bound in bound.map { word + shortest($0) } }.joined(separator: " and ")
    if let least, let most { what = "from \(shortest(least)) to \(shortest(most))" }
    let expected = "a number " + what
    return Self(
      read: { node in
        guard let number = node.number, number >= least ?? -.infinity, number <= most ?? .infinity,
          above.map({ number > $0 }) ?? true, below.map({ number < $0 }) ?? true
        else { return .expected(expected) }
        return .success(number)
      },
      write: plain, schema: schema.adding("type", "number"))
  }

  /// 1.0 as 1.
  @Sendable private static func plain(_ number: Double) -> JSONValue {
    Int(exactly: number).map { .integer($0) } ?? .number(number)
  }

  private static func shortest(_ number: Double) -> String { JSONWriter.text(plain(number), pretty: false) }
}

extension FieldKind {
  /// A list of one to `most` values of another kind, none of them twice; `what` names it.
  static func list<Element: Hashable & Sendable>(
    _ what: String, of element: FieldKind<Element>, most: Int = .max
  ) -> Self where Value == [Element] {
    let schema: JSONValue = ["type": "array", "items": element.schema, "minItems": 1, "uniqueItems": true]
    return Self(
      read: { node in
        guard let nodes = node.array, (1...most).contains(nodes.count) else { return .expected(what) }
        let values = nodes.compactMap { try? element.read($0).get() }
        if values.count < nodes.count { return .expected(what) }
        return Set(values).count == values.count ? .success(values) : .expected(what + ", none of them twice")
      },
      write: { .list($0.map(element.write)) },
      schema: most == .max ? schema : schema.adding("maxItems", .integer(most)))
  }
}

extension JSONValue {
  /// This JSON Schema with one more key.
  func adding(_ key: String, _ value: JSONValue) -> JSONValue {
    guard case .object(var object) = self else { return self }
    object[key] = JSONNode(value)
    return .object(object)
  }

  /// A JSON Schema of the same values, and null.
  var orNull: JSONValue {
    guard case .object(let object) = self else { return self }
    if let type = object["type"] {
      return adding("type", .array((type.array ?? [type]) + [JSONNode("null")]))
    }
    if let names = object["enum"]?.array { return adding("enum", .array(names + [JSONNode(.null)])) }
    return ["anyOf": .array((object["anyOf"]?.array ?? [JSONNode(self)]) + [JSONNode(["type": "null"])])]
  }
}
