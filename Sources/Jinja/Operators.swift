import Foundation

/// The operators on two values.
enum Arithmetic: String {
  case add = "+"
  case subtract = "-"
  case multiply = "*"
  case divide = "/"
  case floorDivide = "//"
  case modulo = "%"
  case power = "**"
}

extension Renderer {
  func isTrue(_ value: JinjaValue) throws -> Bool {
    switch value {
    case .undefined, .none: false
    case .bool(let bool): bool
    case .integer(let integer): integer != 0
    case .float(let float): float != 0
    case .string(let text), .markup(let text): !text.isEmpty
    case .list(let list), .tuple(let list): !list.elements.isEmpty
    case .object(let object): object.count > 0
    case .reference(let reference): try reference.count(self).map { $0 > 0 } ?? true
    }
  }

  /// `-value` or `+value`.
  func signed(_ value: JinjaValue, minus: Bool) throws -> JinjaValue {
    switch value {
    case .float(let float): return .float(minus ? -float : float)
    case .undefined(let undefined): throw JinjaFailure(undefined)
    default:
      guard let integer = value.integer else {
        throw JinjaFailure("bad operand type for unary \(minus ? "-" : "+"): '\(value.typeName)'")
      }
      return .integer(minus ? try exact(0.subtractingReportingOverflow(integer)) : integer)
    }
  }

  func compute(_ operation: Arithmetic, _ left: JinjaValue, _ right: JinjaValue) throws -> JinjaValue {
    if operation == .modulo, left.text != nil { return try formatted(left, with: right) }
    if case .undefined(let undefined) = left { throw JinjaFailure(undefined) }
    if case .undefined(let undefined) = right { throw JinjaFailure(undefined) }
    if let a = left.integer, let b = right.integer { return try compute(operation, a, b) }
    if let a = left.number, let b = right.number { return .float(try compute(operation, a, b)) }
    switch operation {
    case .add: if let sum = try added(left, right) { return sum }
    case .multiply: if let product = try repeated(left, right) ?? repeated(right, left) { return product }
    default: break
    }
    if operation == .add, left.text != nil {
      throw JinjaFailure("can only concatenate str (not \"\(right.typeName)\") to str")
    }
    throw JinjaFailure(
      "unsupported operand type(s) for \(operation == .power ? "** or pow()" : operation.rawValue): "
        + "'\(left.typeName)' and '\(right.typeName)'")
  }

  private func compute(_ operation: Arithmetic, _ a: Int, _ b: Int) throws -> JinjaValue {
    switch operation {
    case .add: return .integer(try exact(a.addingReportingOverflow(b)))
    case .subtract: return .integer(try exact(a.subtractingReportingOverflow(b)))
    case .multiply: return .integer(try exact(a.multipliedReportingOverflow(by: b)))
    case .divide:
      guard b != 0 else { throw JinjaFailure("division by zero") }
      return .float(Double(a) / Double(b))
    case .floorDivide, .modulo:
      guard b != 0 else {
        throw JinjaFailure("integer \(operation == .modulo ? "modulo" : "division or modulo") by zero")
      }
      if b == -1 { return operation == .modulo ? .integer(0) : try signed(.integer(a), minus: true) }
      let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
      // Python rounds down.
      let isBelow = remainder != 0 && (remainder < 0) != (b < 0)
      return .integer(
        operation == .modulo ? (isBelow ? remainder + b : remainder) : (isBelow ? quotient - 1 : quotient))
    case .power:
      if b < 0 {
        guard a != 0 else { throw JinjaFailure("0.0 cannot be raised to a negative power") }
        return .float(pow(Double(a), Double(b)))
      }
      return .integer(try power(a, b))
    }
  }

  private func power(_ base: Int, _ exponent: Int) throws -> Int {
    if base == 0 || base == 1 { return exponent == 0 ? 1 : base }
    if base == -1 { return exponent.isMultiple(of: 2) ? 1 : -1 }
    guard exponent < 64 else { throw tooLarge }
    return try (0..<exponent).reduce(1) { power, _ in try exact(power.multipliedReportingOverflow(by: base)) }
  }

  private func compute(_ operation: Arithmetic, _ a: Double, _ b: Double) throws -> Double {
    switch operation {
    case .add: return a + b
    case .subtract: return a - b
    case .multiply: return a * b
    case .divide:
      guard b != 0 else { throw JinjaFailure("float division by zero") }
      return a / b
    case .floorDivide:
      guard b != 0 else { throw JinjaFailure("float floor division by zero") }
      return floorDivided(a, b)
    case .modulo:
      guard b != 0 else { throw JinjaFailure("float modulo") }
      let remainder = fmod(a, b)
      if remainder == 0 { return b < 0 ? -0.0 : 0.0 }
      return (remainder < 0) != (b < 0) ? remainder + b : remainder
    case .power:
      if a == 0, b < 0 { throw JinjaFailure("0.0 cannot be raised to a negative power") }
      if a < 0, a.isFinite, b.isFinite, b != b.rounded() {
        throw JinjaFailure("a complex number, which templates here do not have")
      }
      let power = pow(a, b)
      if power.isInfinite, a.isFinite, b.isFinite { throw JinjaFailure("(34, 'Numerical result out of range')") }
      return power
    }
  }

  /// As Python's `float.__floordiv__` computes it.
  private func floorDivided(_ a: Double, _ b: Double) -> Double {
    var remainder = fmod(a, b)
    var quotient = (a - remainder) / b
    if remainder != 0, (b < 0) != (remainder < 0) {
      remainder += b
      quotient -= 1
    }
    guard quotient != 0 else { return (a / b).sign == .minus ? -0.0 : 0.0 }
    var whole = quotient.rounded(.down)
    if quotient - whole > 0.5 { whole += 1 }
    return whole
  }

  /// `left + right` of texts or lists; nil for other values.
  private func added(_ left: JinjaValue, _ right: JinjaValue) throws -> JinjaValue? {
    switch (left, right) {
    case (.string(let a), .string(let b)): return .string(try joined(a, b))
    case (.markup(let a), .markup(let b)): return .markup(try joined(a, b))
    case (.markup(let a), .string(let b)): return .markup(try joined(a, escaped(b)))
    case (.string(let a), .markup(let b)): return .markup(try joined(escaped(a), b))
    case (.list(let a), .list(let b)): return .list(try joined(a, b))
    case (.tuple(let a), .tuple(let b)): return .tuple(try joined(a, b))
    default: return nil
    }
  }

  func joined(_ a: String, _ b: String) throws -> String {
    try spend(bytes: a.utf8.count + b.utf8.count)
    try check(length: a.utf8.count + b.utf8.count)
    return a + b
  }

  private func joined(_ a: JinjaList, _ b: JinjaList) throws -> JinjaList {
    try check(count: a.elements.count + b.elements.count)
    return JinjaList(a.elements + b.elements)
  }

  /// `value * count`; nil for values that cannot be repeated.
  private func repeated(_ value: JinjaValue, _ count: JinjaValue) throws -> JinjaValue? {
    guard let count = count.integer.map({ max($0, 0) }) else { return nil }
    switch value {
    case .string(let text): return .string(try repeated(text, count))
    case .markup(let text): return .markup(try repeated(text, count))
    case .list(let list): return .list(try repeated(list, count))
    case .tuple(let list): return .tuple(try repeated(list, count))
    default: return nil
    }
  }

  func repeated(_ text: String, _ count: Int) throws -> String {
    let (length, overflow) = text.utf8.count.multipliedReportingOverflow(by: count)
    try check(length: overflow ? .max : length)
    try spend(bytes: length)
    return text.isEmpty ? "" : String(repeating: text, count: count)
  }

  private func repeated(_ list: JinjaList, _ count: Int) throws -> JinjaList {
    let (length, overflow) = list.elements.count.multipliedReportingOverflow(by: count)
    if list.elements.isEmpty { return list }
    try check(count: overflow ? .max : length)
    return JinjaList((0..<count).flatMap { _ in list.elements })
  }

  /// The result of an operation on whole numbers. Python's have no limit; a number above 64 bits is refused.
  func exact(_ result: (partialValue: Int, overflow: Bool)) throws -> Int {
    guard !result.overflow else { throw tooLarge }
    return result.partialValue
  }

  var tooLarge: JinjaFailure { JinjaFailure("a whole number of more than 64 bits", kind: .limit) }
}
