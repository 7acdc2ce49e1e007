/// A part of a template that prints or sets something.
protocol Statement: AnyObject, Sendable {
  /// How deep expressions and blocks are nested in it.
  var nesting: Int { get }
  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow
}

/// How a template goes on after a statement.
enum Flow { case next, leaveLoop, nextRound }

/// Statements in a row.
struct Block: Sendable {
  let statements: [any Statement]
  let nesting: Int
  /// Its number, if it has variables of its own.
  private let frame: Int?

  init(_ statements: [any Statement], frame: Int?) {
    self.statements = statements
    self.frame = frame
    nesting = 1 + (statements.lazy.map(\.nesting).max() ?? 0)
  }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    for statement in statements {
      let flow = try statement.run(scope, renderer)
      if flow != .next { return flow }
    }
    return .next
  }

  /// Makes a scope for the block, inside of `outer`.
  func scope(in outer: Scope?, _ renderer: Renderer) -> Scope {
    let scope = Scope(outer)
    hideNames(in: scope, renderer)
    return scope
  }

  /// Sets the names that the block hides.
  func hideNames(in scope: Scope, _ renderer: Renderer) {
    guard let frame else { return }
    for id in renderer.hidden[frame] {
      scope.set(id, .undefined(JinjaUndefined(.name(renderer.names[id]))))
    }
  }
}

final class DataStatement: Statement {
  private let text: String
  let nesting = 1

  init(_ text: String) { self.text = text }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    try renderer.print(text)
    return .next
  }
}

final class PrintStatement: Statement {
  private let expression: any Expression
  private let line: Int
  let nesting: Int

  init(_ expression: any Expression, line: Int) {
    self.expression = expression
    self.line = line
    nesting = expression.nesting + 1
  }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    try at(line) { try renderer.print(try renderer.text(expression.evaluate(scope, renderer))) }
    return .next
  }
}

final class IfStatement: Statement {
  private let branches: [(condition: any Expression, body: Block, line: Int)]
  private let other: Block
  let nesting: Int

  init(_ branches: [(condition: any Expression, body: Block, line: Int)], else other: Block) {
    self.branches = branches
    self.other = other
    nesting = 1 + max(branches.map { max($0.condition.nesting, $0.body.nesting) }.max() ?? 0, other.nesting)
  }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    for (condition, body, line) in branches {
      try renderer.step()
      if try at(line, { try renderer.isTrue(condition.evaluate(scope, renderer)) }) {
        return try body.run(scope, renderer)
      }
    }
    return try other.run(scope, renderer)
  }
}

/// `{% filter name %}…{% endfilter %}`
final class FilterStatement: Statement {
  private let filter: OperationExpression
  private let body: Block
  private let line: Int
  let nesting: Int

  init(_ filter: OperationExpression, _ body: Block, line: Int) {
    self.filter = filter
    self.body = body
    self.line = line
    nesting = 1 + max(body.nesting, filter.nesting)
  }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    let inner = body.scope(in: scope, renderer)
    var flow = Flow.next
    let text = JinjaValue.string(try renderer.capture { flow = try body.run(inner, renderer) })
    guard flow == .next else { return flow }
    try at(line) { try renderer.print(text: filter.apply(to: text, inner, renderer)) }
    return .next
  }
}

/// `{% with name = value %}…{% endwith %}`, and blocks whose variables stay inside.
final class WithStatement: Statement {
  private let assignments: [(target: Target, value: any Expression)]
  private let body: Block
  private let line: Int
  let nesting: Int

  init(_ assignments: [(target: Target, value: any Expression)], _ body: Block, line: Int) {
    self.assignments = assignments
    self.body = body
    self.line = line
    nesting = 1 + max(body.nesting, assignments.map(\.value.nesting).max() ?? 0)
  }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    let inner = body.scope(in: scope, renderer)
    for (target, value) in assignments {
      try at(line) { try target.set(value.evaluate(scope, renderer), inner, renderer) }
    }
    return try body.run(inner, renderer)
  }
}

/// `{% generation %}…{% endgeneration %}`: what the assistant writes.
final class GenerationStatement: Statement {
  private let body: Block
  var nesting: Int { body.nesting + 1 }

  init(_ body: Block) { self.body = body }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    let inner = body.scope(in: scope, renderer)
    try renderer.printGenerated(renderer.capture { _ = try body.run(inner, renderer) })
    return .next
  }
}

/// `{% block name %}…{% endblock %}`, which no other template can replace here.
final class NamedBlockStatement: Statement {
  private let body: Block
  private let isScoped: Bool
  var nesting: Int { body.nesting + 1 }

  /// - Parameter isScoped: whether the block sees the variables around it, not only those of the whole template.
  init(_ body: Block, isScoped: Bool) {
    self.body = body
    self.isScoped = isScoped
  }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    try body.run(body.scope(in: isScoped ? scope : renderer.root.copy(), renderer), renderer)
  }
}

/// `{% break %}` and `{% continue %}`
final class JumpStatement: Statement {
  private let flow: Flow
  let nesting = 1

  init(_ flow: Flow) { self.flow = flow }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    try renderer.step()
    return flow
  }
}
