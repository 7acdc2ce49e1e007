/// The operators that compare two values.
enum Comparison: String {
  case equal = "=="
  case notEqual = "!="
  case less = "<"
  case lessEqual = "<="
  case greater = ">"
  case greaterEqual = ">="
  case isIn = "in"
  case notIn = "not in"
}

extension Renderer {
  func compare(_ operation: Comparison, _ left: JinjaValue, _ right: JinjaValue) throws -> Bool {
    switch operation {
    case .equal: try areEqual(left, right)
    case .notEqual: try !areEqual(left, right)
    case .isIn: try contains(right, left)
    case .notIn: try !contains(right, left)
    default: try order(operation, left, right)
    }
  }

  /// `left == right`.
  func areEqual(_ left: JinjaValue, _ right: JinjaValue) throws -> Bool {
    try step()
    switch (left, right) {
    case (.undefined, .undefined), (.none, .none): return true
    case (.string(let a), .string(let b)), (.markup(let a), .markup(let b)), (.string(let a), .markup(let b)),
      (.markup(let a), .string(let b)):
      return a.isSame(as: b)
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      return try a === b || areEqual(a.elements, b.elements)
    case (.object(let a), .object(let b)): return try a === b || areEqual(a, b)
    case (.reference(let a), .reference(let b)): return try a.isEqual(to: b, self)
    default:
      if let a = left.integer, let b = right.integer { return a == b }
      return sign(left, right) == 0
    }
  }

  private func areEqual(_ a: [JinjaValue], _ b: [JinjaValue]) throws -> Bool {
    guard a.count == b.count else { return false }
    for (a, b) in zip(a, b) { guard try areEqual(a, b) else { return false } }
    return true
  }

  private func areEqual(_ a: JinjaObject, _ b: JinjaObject) throws -> Bool {
    guard a.count == b.count else { return false }
    for (key, value) in zip(a.keys, a.values) {
      guard let hash = HashKey(key), let other = b[hash], try areEqual(value, other) else { return false }
    }
    return true
  }

  /// −1, 0 or 1 for a number that is less than, equal to or greater than another one, exactly; nil if one is no number.
  private func sign(_ left: JinjaValue, _ right: JinjaValue) -> Int? {
    func sign<Number: Comparable>(_ a: Number, _ b: Number) -> Int? { a < b ? -1 : a == b ? 0 : a > b ? 1 : nil }
    /// Where a whole number lies beside another one.
    func sign(_ a: Int, beside b: Double) -> Int? {
      guard a.magnitude > 1 << 53, b.isFinite else { return sign(Double(a), b) }
      guard let whole = Int(exactly: b.rounded(.down)) else { return b > 0 ? -1 : 1 }
      return a == whole ? (b > b.rounded(.down) ? -1 : 0) : sign(a, whole)
    }
    switch (left, right) {
    case (.float(let a), .float(let b)): return sign(a, b)
    case (.float(let a), _): return right.integer.flatMap { sign($0, beside: a) }.map { -$0 }
    case (_, .float(let b)): return left.integer.flatMap { sign($0, beside: b) }
    default: return left.integer.flatMap { a in right.integer.flatMap { sign(a, $0) } }
    }
  }

  /// `left < right` and the like.
  private func order(_ operation: Comparison, _ left: JinjaValue, _ right: JinjaValue) throws -> Bool {
    if let a = left.integer, let b = right.integer { return ordered(operation, a, b) }
    if left.number != nil, right.number != nil {
      // Nothing can be said of a NaN.
      return sign(left, right).map { ordered(operation, $0, 0) } ?? false
    }
    switch (left, right) {
    case (.undefined(let undefined), _), (_, .undefined(let undefined)): throw JinjaFailure(undefined)
    case (.list(let a), .list(let b)), (.tuple(let a), .tuple(let b)):
      for (a, b) in zip(a.elements, b.elements) {
        if try !areEqual(a, b) { return try order(operation, a, b) }
      }
      return ordered(operation, a.elements.count, b.elements.count)
    default:
      guard let a = left.text, let b = right.text else {
        throw JinjaFailure(
          "'\(operation.rawValue)' not supported between instances of '\(left.typeName)' and '\(right.typeName)'")
      }
      try spend(bytes: min(a.utf8.count, b.utf8.count))
      return switch operation {
      case .less: a.precedes(b)
      case .lessEqual: !b.precedes(a)
      case .greater: b.precedes(a)
      default: !a.precedes(b)
      }
    }
  }

  private func ordered<Value: Comparable>(_ operation: Comparison, _ a: Value, _ b: Value) -> Bool {
    switch operation {
    case .less: a < b
    case .lessEqual: a <= b
    case .greater: a > b
    default: a >= b
    }
  }

  /// Whether `left` comes before `right` when they are sorted.
  func isBefore(_ left: JinjaValue, _ right: JinjaValue) throws -> Bool {
    try step()
    return try order(.less, left, right)
  }

  /// `element in container`.
  func contains(_ container: JinjaValue, _ element: JinjaValue) throws -> Bool {
    switch container {
    case .string(let text), .markup(let text):
      guard let part = element.text else {
        throw JinjaFailure("'in <string>' requires string as left operand, not \(element.typeName)")
      }
      try spend(bytes: text.utf8.count)
      return text.has(part)
    case .list(let list), .tuple(let list): return try list.elements.contains { try areEqual($0, element) }
    case .object(let object):
      if case .string(let key) = element { return object[key] != nil }
      return object[try hashKey(element)] != nil
    case .reference(let reference):
      if let range = reference as? RangeReference, let number = element.number {
        guard let value = Int(exactly: number), range.length > 0 else { return false }
        let offset = value - range.start
        return offset % range.step == 0 && 0..<range.length ~= offset / range.step
      }
      if let view = reference as? DictView, view.kind == .keys {
        return view.object[try hashKey(element)] != nil
      }
      guard let cursor = try reference.cursor(self) else {
        throw JinjaFailure("argument of type '\(reference.typeName)' is not iterable")
      }
      while let value = try cursor.next() { if try areEqual(value, element) { return true } }
      return false
    case .undefined: return false
    default: throw JinjaFailure("argument of type '\(container.typeName)' is not iterable")
    }
  }

  /// `value` as a key.
  func hashKey(_ value: JinjaValue) throws -> HashKey {
    guard let key = HashKey(value) else { throw JinjaFailure("unhashable type: '\(value.typeName)'") }
    return key
  }
}
