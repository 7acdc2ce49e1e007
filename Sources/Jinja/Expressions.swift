/// A part of a template that has a value.
protocol Expression: AnyObject, Sendable {
  /// How deep expressions are nested in it.
  var nesting: Int { get }
  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue
}

/// The nesting of an expression with these parts.
func nesting(above parts: [(any Expression)?]) -> Int { 1 + (parts.lazy.map { $0?.nesting ?? 0 }.max() ?? 0) }

final class Constant: Expression {
  let value: JinjaValue
  let nesting = 1

  init(_ value: JinjaValue) { self.value = value }

  func evaluate(_ scope: Scope, _ renderer: Renderer) -> JinjaValue { value }
}

final class NameExpression: Expression {
  let name: String
  let id: Int
  let nesting = 1

  init(_ name: String, id: Int) {
    self.name = name
    self.id = id
  }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    try renderer.step()
    return scope.value(id) ?? renderer.globals[id] ?? .undefined(JinjaUndefined(.name(name)))
  }
}

final class ListExpression: Expression {
  private let elements: [any Expression]
  private let isTuple: Bool
  let nesting: Int

  init(_ elements: [any Expression], isTuple: Bool) {
    self.elements = elements
    self.isTuple = isTuple
    nesting = Jinja.nesting(above: elements)
  }

  /// The names that this stands for as the target of an assignment; nil if there are other things.
  var parts: [any Expression]? { isTuple ? elements : nil }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    try renderer.step()
    let list = JinjaList(try elements.map { try $0.evaluate(scope, renderer) })
    try renderer.check(depth: list.depth)
    return isTuple ? .tuple(list) : .list(list)
  }
}

final class ObjectExpression: Expression {
  private let members: [(key: any Expression, value: any Expression)]
  let nesting: Int

  init(_ members: [(key: any Expression, value: any Expression)]) {
    self.members = members
    nesting = Jinja.nesting(above: members.map(\.key) + members.map(\.value))
  }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    try renderer.step()
    var builder = JinjaObject.Builder()
    let members = try members.map { (try $0.key.evaluate(scope, renderer), try $0.value.evaluate(scope, renderer)) }
    for (key, value) in members { builder.set(try renderer.hashKey(key), key: key, value: value) }
    let object = builder.object
    try renderer.check(depth: object.depth)
    return .object(object)
  }
}

final class UnaryExpression: Expression {
  enum Operation { case not, minus, plus }
  private let operation: Operation
  private let operand: any Expression
  private let line: Int
  let nesting: Int

  init(_ operation: Operation, _ operand: any Expression, line: Int) {
    self.operation = operation
    self.operand = operand
    self.line = line
    nesting = Jinja.nesting(above: [operand])
  }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    let value = try operand.evaluate(scope, renderer)
    try renderer.step()
    if operation == .not { return .bool(try !renderer.isTrue(value)) }
    return try at(line) { try renderer.signed(value, minus: operation == .minus) }
  }
}

final class BinaryExpression: Expression {
  private let operation: Arithmetic
  private let left: any Expression, right: any Expression
  private let line: Int
  let nesting: Int

  init(_ operation: Arithmetic, _ left: any Expression, _ right: any Expression, line: Int) {
    self.operation = operation
    self.left = left
    self.right = right
    self.line = line
    nesting = Jinja.nesting(above: [left, right])
  }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    let left = try left.evaluate(scope, renderer), right = try right.evaluate(scope, renderer)
    try renderer.step()
    return try at(line) { try renderer.compute(operation, left, right) }
  }
}

/// `and` and `or`, which give one of their operands.
final class LogicalExpression: Expression {
  private let isAnd: Bool
  private let left: any Expression, right: any Expression
  let nesting: Int

  init(isAnd: Bool, _ left: any Expression, _ right: any Expression) {
    self.isAnd = isAnd
    self.left = left
    self.right = right
    nesting = Jinja.nesting(above: [left, right])
  }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    let value = try left.evaluate(scope, renderer)
    try renderer.step()
    return try renderer.isTrue(value) == isAnd ? right.evaluate(scope, renderer) : value
  }
}

/// `a < b <= c`, `a in b`.
final class CompareExpression: Expression {
  private let first: any Expression
  private let others: [(operation: Comparison, operand: any Expression)]
  private let line: Int
  let nesting: Int

  init(_ first: any Expression, _ others: [(operation: Comparison, operand: any Expression)], line: Int) {
    self.first = first
    self.others = others
    self.line = line
    nesting = Jinja.nesting(above: [first] + others.map(\.operand))
  }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    var left = try first.evaluate(scope, renderer)
    for (operation, operand) in others {
      let right = try operand.evaluate(scope, renderer)
      try renderer.step()
      guard try at(line, { try renderer.compare(operation, left, right) }) else { return .bool(false) }
      left = right
    }
    return .bool(true)
  }
}

/// `a ~ b`.
final class ConcatenationExpression: Expression {
  private let parts: [any Expression]
  private let line: Int
  let nesting: Int

  init(_ parts: [any Expression], line: Int) {
    self.parts = parts
    self.line = line
    nesting = Jinja.nesting(above: parts)
  }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    var text = ""
    let values = try parts.map { try $0.evaluate(scope, renderer) }
    for value in values {
      let part = try at(line) { try renderer.text(value) }
      try renderer.spend(bytes: part.utf8.count)
      try renderer.check(length: text.utf8.count + part.utf8.count)
      text += part
    }
    return .string(text)
  }
}

final class ConditionalExpression: Expression {
  private let condition: any Expression
  private let value: any Expression
  private let other: (any Expression)?
  private let line: Int
  let nesting: Int

  init(_ condition: any Expression, _ value: any Expression, else other: (any Expression)?, line: Int) {
    self.condition = condition
    self.value = value
    self.other = other
    self.line = line
    nesting = Jinja.nesting(above: [condition, value, other])
  }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    try renderer.step()
    if try renderer.isTrue(condition.evaluate(scope, renderer)) { return try value.evaluate(scope, renderer) }
    if let other { return try other.evaluate(scope, renderer) }
    return .undefined(
      "the inline if-expression on line \(line) evaluated to false and no else section was defined.")
  }
}
