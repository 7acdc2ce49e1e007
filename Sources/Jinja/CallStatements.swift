final class MacroStatement: Statement {
  private let definition: MacroDefinition
  private let id: Int
  /// Its body runs when it is called, but values in it are nested as deep.
  var nesting: Int { definition.nesting + 1 }

  init(_ definition: MacroDefinition, id: Int) {
    self.definition = definition
    self.id = id
  }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    try renderer.step()
    renderer.keep(scope)
    scope.set(id, .reference(Macro(definition, scope: scope)))
    return .next
  }
}

/// `{% call name() %}…{% endcall %}`
final class CallStatement: Statement {
  private let call: CallExpression
  private let definition: MacroDefinition
  private let line: Int
  let nesting: Int

  init(_ call: CallExpression, _ definition: MacroDefinition, line: Int) {
    self.call = call
    self.definition = definition
    self.line = line
    nesting = 1 + max(call.nesting, definition.nesting)
  }

  func run(_ scope: Scope, _ renderer: Renderer) throws -> Flow {
    renderer.keep(scope)
    let caller = JinjaValue.reference(Macro(definition, scope: scope))
    try at(line) { try renderer.print(text: call.evaluate(scope, renderer, caller: caller)) }
    return .next
  }
}
