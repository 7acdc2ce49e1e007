/// `a.b`.
final class AttributeExpression: Expression {
  let object: any Expression
  let name: String
  private let line: Int
  let nesting: Int

  init(_ object: any Expression, _ name: String, line: Int) {
    self.object = object
    self.name = name
    self.line = line
    nesting = Jinja.nesting(above: [object])
  }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    let object = try object.evaluate(scope, renderer)
    try renderer.step()
    return try at(line) { try renderer.attribute(name, of: object) }
  }
}

/// `a[b]`.
final class ItemExpression: Expression {
  private let object: any Expression, key: any Expression
  private let line: Int
  let nesting: Int

  init(_ object: any Expression, _ key: any Expression, line: Int) {
    self.object = object
    self.key = key
    self.line = line
    nesting = Jinja.nesting(above: [object, key])
  }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    let object = try object.evaluate(scope, renderer), key = try key.evaluate(scope, renderer)
    try renderer.step()
    return try at(line) { try renderer.item(key, of: object) }
  }
}

/// `a[b:c:d]`.
final class SliceExpression: Expression {
  private let object: any Expression
  private let start: (any Expression)?, stop: (any Expression)?, stride: (any Expression)?
  private let line: Int
  let nesting: Int

  init(
    _ object: any Expression, _ start: (any Expression)?, _ stop: (any Expression)?, _ stride: (any Expression)?,
    line: Int
  ) {
    self.object = object
    self.start = start
    self.stop = stop
    self.stride = stride
    self.line = line
    nesting = Jinja.nesting(above: [object, start, stop, stride])
  }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    let object = try object.evaluate(scope, renderer)
    let bounds = try [start, stop, stride].map { try $0?.evaluate(scope, renderer) ?? .none }
    try renderer.step()
    return try at(line) { try renderer.slice(object, bounds[0], bounds[1], bounds[2]) }
  }
}

/// The arguments of a call, a filter or a test.
struct ArgumentExpressions: Sendable {
  var positional: [any Expression] = []
  var named: [(name: String, value: any Expression)] = []
  /// `*more`
  var list: (any Expression)?
  /// `**more`
  var object: (any Expression)?

  var all: [(any Expression)?] { positional + named.map(\.value) + [list, object] }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> Arguments {
    var arguments = Arguments()
    if !positional.isEmpty { arguments.positional = try positional.map { try $0.evaluate(scope, renderer) } }
    for (name, value) in named { arguments.named.append((name, try value.evaluate(scope, renderer))) }
    if let list { arguments.positional += try renderer.array(list.evaluate(scope, renderer)) }
    if let object {
      guard case .object(let object) = try object.evaluate(scope, renderer) else {
        throw JinjaFailure("argument after ** must be a mapping")
      }
      try renderer.spend(object.count)
      for (key, value) in zip(object.keys, object.values) {
        guard let name = key.text else { throw JinjaFailure("keywords must be strings") }
        guard !arguments.named.contains(where: { $0.name.isSame(as: name) }) else {
          throw JinjaFailure("got multiple values for keyword argument \(PythonText.quoted(name))")
        }
        arguments.named.append((name, value))
      }
    }
    return arguments
  }
}

final class CallExpression: Expression {
  private let function: any Expression
  private let arguments: ArgumentExpressions
  private let line: Int
  let nesting: Int

  init(_ function: any Expression, _ arguments: ArgumentExpressions, line: Int) {
    self.function = function
    self.arguments = arguments
    self.line = line
    nesting = Jinja.nesting(above: [function] + arguments.all)
  }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    try evaluate(scope, renderer, caller: nil)
  }

  /// - Parameter caller: the block of a `call` tag.
  func evaluate(_ scope: Scope, _ renderer: Renderer, caller: JinjaValue?) throws -> JinjaValue {
    try renderer.step()
    let function = try function.evaluate(scope, renderer)
    return try at(line) {
      var arguments = try arguments.evaluate(scope, renderer)
      if let caller { arguments.named.append(("caller", caller)) }
      switch function {
      case .reference(let reference): return try reference.call(arguments, renderer)
      case .undefined(let undefined): throw JinjaFailure(undefined)
      default: throw JinjaFailure("'\(function.typeName)' object is not callable")
      }
    }
  }
}

/// A filter or a test.
typealias Operation = @Sendable (JinjaValue, Arguments, Renderer) throws -> JinjaValue

/// `value|filter` or `value is test`.
final class OperationExpression: Expression {
  /// Nil for the value of a `filter` tag.
  private let operand: (any Expression)?
  private let operation: Operation
  private let arguments: ArgumentExpressions
  private let line: Int
  let nesting: Int

  init(_ operand: (any Expression)?, _ operation: @escaping Operation, _ arguments: ArgumentExpressions, line: Int) {
    self.operand = operand
    self.operation = operation
    self.arguments = arguments
    self.line = line
    nesting = Jinja.nesting(above: [operand] + arguments.all)
  }

  func evaluate(_ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    try apply(to: .string(""), scope, renderer)
  }

  /// The value with `text` in place of the missing operand, if it is missing.
  func apply(to text: JinjaValue, _ scope: Scope, _ renderer: Renderer) throws -> JinjaValue {
    var value = text
    if let inner = operand as? OperationExpression {
      value = try inner.apply(to: text, scope, renderer)
    } else if let operand {
      value = try operand.evaluate(scope, renderer)
    }
    try renderer.step()
    return try at(line) { try operation(value, arguments.evaluate(scope, renderer), renderer) }
  }
}
