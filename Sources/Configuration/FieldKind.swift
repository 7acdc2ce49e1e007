import Diagnostics
import StrictJSON

/// What reading one value gave.
enum Reading<Value> {
  case value(Value)
  /// What would have been right, to complete the sentence "must be …".
  case expected(String)

  func map<Other>(_ transform: (Value) -> Other) -> Reading<Other> {
    switch self {
    case .value(let value): .value(transform(value))
    case .expected(let what): .expected(what)
    }
  }
}

/// How values of one type and range are read from JSON and written back.
///
///     .integer(1...)    .number(0..<1)    .choice    .text
struct FieldKind<Value: Sendable>: Sendable {
  let read: @Sendable (JSONNode) -> Reading<Value>
  let write: @Sendable (Value) -> JSONValue
  /// What is accepted, as a JSON Schema.
  let schema: JSONSchema

  /// The same values, and null for "not given".
  var orNull: FieldKind<Value?> {
    FieldKind<Value?>(
      read: { node in
        if node.isNull { return .value(nil) }
        switch self.read(node) {
        case .value(let value): return .value(value)
        case .expected(let what): return .expected(what + " or null")
        }
      },
      write: { value in value.map(self.write) ?? .null }, schema: schema.orNull)
  }
}

extension FieldKind where Value == Bool {
  static var truth: Self {
    Self(
      read: { $0.bool.map { .value($0) } ?? .expected("true or false") }, write: { .bool($0) },
      schema: ["type": "boolean"])
  }
}

extension FieldKind where Value == String {
  /// Text that is not empty.
  static var text: Self {
    Self(
      read: { node in
        guard let text = node.string, !text.isEmpty else { return .expected("non-empty text") }
        return .value(text)
      },
      write: { .string($0) }, schema: ["type": "string", "minLength": 1])
  }

  /// One of `names`.
  static func name(of names: [String]) -> Self {
    Self(
      read: { node in
        guard let text = node.string, names.contains(text) else { return .expected(oneOf(names, given: node)) }
        return .value(text)
      },
      write: { .string($0) }, schema: ["enum": .strings(names)])
  }
}

extension FieldKind where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
  /// One of the cases' names.
  static var choice: Self {
    Self(
      read: { node in
        guard let value = node.string.flatMap(Value.init(rawValue:)) else {
          return .expected(oneOf(Value.allCases.map(\.rawValue), given: node))
        }
        return .value(value)
      },
      write: { .string($0.rawValue) }, schema: ["enum": .strings(Value.allCases.map(\.rawValue))])
  }
}

extension FieldKind where Value == Int {
  /// Counts stop here, so that products of a few of them can't overflow.
  static var largestCount: Int { Int(Int32.max) }

  /// A whole number of at least `range.lowerBound`, at most `limit`.
  static func integer(_ range: PartialRangeFrom<Int>, limit: Int = largestCount) -> Self {
    Self(
      read: { node in
        guard let integer = node.integer, integer >= range.lowerBound else {
          return .expected("a whole number of at least \(range.lowerBound)")
        }
        return integer <= limit ? .value(integer) : .expected("a whole number of at most \(limit)")
      },
      write: { .integer($0) },
      schema: JSONSchema(["type": "integer", "minimum": .integer(range.lowerBound)]).adding(
        "maximum", .integer(limit), if: limit != .max))
  }
}

extension FieldKind where Value == Double {
  static func number(_ range: PartialRangeFrom<Double>) -> Self {
    number("of at least \(shortest(range.lowerBound))", ["minimum": plain(range.lowerBound)]) { range.contains($0) }
  }

  static func number(_ range: Range<Double>) -> Self {
    number(
      "of at least \(shortest(range.lowerBound)) and below \(shortest(range.upperBound))",
      ["minimum": plain(range.lowerBound), "exclusiveMaximum": plain(range.upperBound)]
    ) { range.contains($0) }
  }

  static func number(_ range: ClosedRange<Double>) -> Self {
    number(
      "from \(shortest(range.lowerBound)) to \(shortest(range.upperBound))",
      ["minimum": plain(range.lowerBound), "maximum": plain(range.upperBound)]
    ) { range.contains($0) }
  }

  static func number(above bound: Double, atMost limit: Double = .infinity) -> Self {
    let end = limit < .infinity ? " and at most \(shortest(limit))" : ""
    let schema = JSONSchema(["exclusiveMinimum": plain(bound)]).adding("maximum", plain(limit), if: limit < .infinity)
    return number("above \(shortest(bound))\(end)", schema) { $0 > bound && $0 <= limit }
  }

  private static func number(
    _ what: String, _ schema: JSONSchema, where holds: @escaping @Sendable (Double) -> Bool
  ) -> Self {
    Self(
      read: { node in
        guard let number = node.number, holds(number) else { return .expected("a number " + what) }
        return .value(number)
      },
      write: plain, schema: schema.adding("type", "number"))
  }

  /// 1.0 as 1.
  @Sendable private static func plain(_ number: Double) -> JSONValue {
    Int(exactly: number).map { .integer($0) } ?? .number(number)
  }
}

extension FieldKind {
  /// A list of one to `most` values of another kind, none of them twice; `what` names it.
  static func list<Element: Hashable & Sendable>(
    _ what: String, of element: FieldKind<Element>, most: Int = .max
  ) -> Self where Value == [Element] {
    Self(
      read: { node in
        guard let nodes = node.array, (1...most).contains(nodes.count) else { return .expected(what) }
        var values: [Element] = [], seen: Set<Element> = []
        for node in nodes {
          guard case .value(let value) = element.read(node) else { return .expected(what) }
          guard seen.insert(value).inserted else { return .expected(what + ", none of them twice") }
          values.append(value)
        }
        return .value(values)
      },
      write: { .array($0.map { JSONNode(element.write($0)) }) },
      schema: JSONSchema(["type": "array", "items": element.schema.json, "minItems": 1, "uniqueItems": true]).adding(
        "maxItems", .integer(most), if: most != .max))
  }
}

/// "one of a, b", with the one that was meant, where that is plain.
private func oneOf(_ names: [String], given node: JSONNode) -> String {
  if let near = node.string.flatMap({ nearestName(to: $0, among: names) }) {
    return "one of \(names.joined(separator: ", ")) (did you mean \(near)?)"
  }
  return "one of \(names.joined(separator: ", "))"
}

/// 0.5 as it is, 1.0 as 1.
func shortest(_ number: Double) -> String {
  Int(exactly: number).map(String.init) ?? String(describing: number)
}
