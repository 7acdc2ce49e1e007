/// What an assignment sets.
indirect enum Target: Sendable {
  case name(Int)
  case attribute(Int, String)
  case tuple([Target])

  func set(_ value: JinjaValue, _ scope: Scope, _ renderer: Renderer) throws {
    switch self {
    case .name(let id): scope.set(id, value)
    case .attribute(let id, let attribute):
      guard case .reference(let reference)? = scope.value(id) ?? renderer.globals[id],
        let namespace = reference as? Namespace
      else { throw JinjaFailure("cannot assign attribute on non-namespace object") }
      try renderer.spend(1 + namespace.attributes.count)
      try namespace.set(attribute, value)
    case .tuple(let targets):
      guard value.text == nil || targets.count == value.text?.unicodeScalars.count else {
        throw JinjaFailure("cannot unpack the text into \(targets.count) names")
      }
      let values: [JinjaValue]
      do {
        values = try renderer.array(value)
      } catch let failure as JinjaFailure where failure.message.hasSuffix("object is not iterable") {
        throw JinjaFailure("cannot unpack non-iterable \(value.typeName) object")
      }
      guard values.count >= targets.count else {
        throw JinjaFailure("not enough values to unpack (expected \(targets.count), got \(values.count))")
      }
      guard values.count == targets.count else {
        throw JinjaFailure("too many values to unpack (expected \(targets.count))")
      }
      for (target, value) in zip(targets, values) { try target.set(value, scope, renderer) }
    }
  }

  /// Checks that whatever has an attribute set is a namespace, before anything is set.
  func check(_ scope: Scope, _ renderer: Renderer) throws {
    switch self {
    case .name: break
    case .attribute(let id, _):
      guard case .reference(let reference)? = scope.value(id) ?? renderer.globals[id], reference is Namespace else {
        throw JinjaFailure("cannot assign attribute on non-namespace object")
      }
    case .tuple(let targets): for target in targets { try target.check(scope, renderer) }
    }
  }
}

final class SetStatement: Statement {
  private let target: Target
  private let value: any Expression
  private let line: Int
  let nesting: Int

  init(_ target: Target, _ value: any Expression, line: Int) {
    self.target = target
    self.value = value
    self.line = line
    nesting = value.nesting + 1
  }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    try renderer.step()
    try at(line) {
      try target.check(scope, renderer)
      try target.set(value.evaluate(scope, renderer), scope, renderer)
    }
    return .next
  }
}

/// `{% set name %}…{% endset %}`
final class SetBlockStatement: Statement {
  private let target: Target
  private let filter: OperationExpression?
  private let body: Block
  private let line: Int
  let nesting: Int

  init(_ target: Target, _ filter: OperationExpression?, _ body: Block, line: Int) {
    self.target = target
    self.filter = filter
    self.body = body
    self.line = line
    nesting = 1 + max(body.nesting, filter?.nesting ?? 0)
  }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    let inner = body.scope(in: scope, renderer)
    var flow = Flow.next
    let text = JinjaValue.string(try renderer.capture { flow = try body.run(inner, renderer) })
    // A jump out of the block leaves everything as it was.
    guard flow == .next else { return flow }
    try at(line) {
      try target.set(filter?.apply(to: text, inner, renderer) ?? text, scope, renderer)
    }
    return .next
  }
}
