/// The tests that follow `is`, by their names.
enum Tests {
  static let all: [String: Operation] = types.merging(comparisons) { $1 }

  private static func type(
    _ name: String, _ holds: @escaping @Sendable (JinjaValue, Renderer) throws -> Bool
  ) -> (String, Operation) {
    (
      name,
      { value, arguments, renderer in
        try arguments.requireNone(name)
        return .bool(try holds(value, renderer))
      }
    )
  }

  private static let types: [String: Operation] = Dictionary(
    uniqueKeysWithValues: [
      type("defined") { value, _ in !value.isUndefined },
      type("undefined") { value, _ in value.isUndefined },
      type("none") { value, _ in value.isNone },
      type("boolean") { value, _ in if case .bool = value { true } else { false } },
      type("true") { value, _ in if case .bool(true) = value { true } else { false } },
      type("false") { value, _ in if case .bool(false) = value { true } else { false } },
      type("integer") { value, _ in if case .integer = value { true } else { false } },
      type("float") { value, _ in if case .float = value { true } else { false } },
      type("number") { value, _ in value.number != nil },
      type("string") { value, _ in value.text != nil },
      type("mapping") { value, _ in if case .object = value { true } else { false } },
      type("escaped") { value, _ in if case .markup = value { true } else { false } },
      type("lower") { value, renderer in StringMethods.isLower(try renderer.text(value)) },
      type("upper") { value, renderer in StringMethods.isUpper(try renderer.text(value)) },
      type("callable") { value, _ in
        switch value {
        case .undefined: true
        case .reference(let reference): reference.isCallable
        default: false
        }
      },
      type("iterable") { value, renderer in
        switch value {
        case .none, .bool, .integer, .float: false
        case .reference(let reference): try reference.cursor(renderer) != nil
        default: true
        }
      },
      type("sequence") { value, renderer in
        switch value {
        case .none, .bool, .integer, .float: false
        case .reference(let reference): reference.hasItems
        default: true
        }
      },
      type("odd") { value, renderer in try isRemainder(1, value, .integer(2), renderer) },
      type("even") { value, renderer in try isRemainder(0, value, .integer(2), renderer) },
      type("filter") { value, renderer in
        _ = try renderer.hashKey(value)
        return value.text.map { Filters.all[$0] != nil || Filters.refused[$0] != nil } ?? false
      },
      type("test") { value, renderer in
        _ = try renderer.hashKey(value)
        return value.text.map { all[$0] != nil } ?? false
      },
    ])

  private static let comparisons: [String: Operation] = [
    "divisibleby": { value, arguments, renderer in
      let divisor = try arguments.bound("divisibleby", ["num"], required: 1)[0] ?? .none
      return .bool(try isRemainder(0, value, divisor, renderer))
    },
    "sameas": { value, arguments, _ in
      .bool(isSame(value, try arguments.bound("sameas", ["other"], required: 1)[0] ?? .none))
    },
    "in": { value, arguments, renderer in
      let container = try arguments.bound("in", ["seq"], required: 1)[0] ?? .none
      return .bool(try renderer.contains(container, value))
    },
    "==": { try compare(.equal, $0, $1, $2) }, "eq": { try compare(.equal, $0, $1, $2) },
    "equalto": { try compare(.equal, $0, $1, $2) },
    "!=": { try compare(.notEqual, $0, $1, $2) }, "ne": { try compare(.notEqual, $0, $1, $2) },
    ">": { try compare(.greater, $0, $1, $2) }, "gt": { try compare(.greater, $0, $1, $2) },
    "greaterthan": { try compare(.greater, $0, $1, $2) },
    ">=": { try compare(.greaterEqual, $0, $1, $2) }, "ge": { try compare(.greaterEqual, $0, $1, $2) },
    "<": { try compare(.less, $0, $1, $2) }, "lt": { try compare(.less, $0, $1, $2) },
    "lessthan": { try compare(.less, $0, $1, $2) },
    "<=": { try compare(.lessEqual, $0, $1, $2) }, "le": { try compare(.lessEqual, $0, $1, $2) },
  ]

  private static func compare(
    _ operation: Comparison, _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer
  ) throws -> JinjaValue {
    .bool(try renderer.compare(operation, value, arguments.places("the test \(operation.rawValue)", 1...1)[0]))
  }

  private static func isRemainder(
    _ wanted: Int, _ value: JinjaValue, _ divisor: JinjaValue, _ renderer: Renderer
  ) throws -> Bool {
    try renderer.areEqual(renderer.compute(.modulo, value, divisor), .integer(wanted))
  }

  /// Python's `is`. Texts and numbers are one object there if they are equal and written in the template, or small; that
  /// is taken for granted.
  private static func isSame(_ a: JinjaValue, _ b: JinjaValue) -> Bool {
    switch (a, b) {
    case (.none, .none): true
    case (.bool(let a), .bool(let b)): a == b
    case (.integer(let a), .integer(let b)): a == b
    case (.float(let a), .float(let b)): a == b
    case (.string(let a), .string(let b)): a.isSame(as: b)
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)): a === b
    case (.object(let a), .object(let b)): a === b
    case (.reference(let a), .reference(let b)): a === b
    case (.undefined(let a), .undefined(let b)): a === b
    default: false
    }
  }
}
