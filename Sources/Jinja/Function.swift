/// The arguments of a call.
struct Arguments {
  var positional: [JinjaValue] = []
  var named: [(name: String, value: JinjaValue)] = []

  /// The arguments in the order of `parameters`; nil for those that are left out.
  ///
  /// - Parameter required: how many must be given.
  func bound(_ function: String, _ parameters: [String], required: Int = 0) throws -> [JinjaValue?] {
    guard positional.count <= parameters.count else {
      throw JinjaFailure(
        "\(function)() takes at most \(parameters.count) argument\(parameters.count == 1 ? "" : "s") "
          + "(\(positional.count) given)")
    }
    var bound: [JinjaValue?] = positional
    bound += Array(repeating: nil, count: parameters.count - positional.count)
    for (name, value) in named {
      guard let position = parameters.firstIndex(where: { $0.isSame(as: name) }) else {
        throw JinjaFailure("\(function)() got an unexpected keyword argument \(PythonText.quoted(name))")
      }
      guard bound[position] == nil else {
        throw JinjaFailure("\(function)() got multiple values for argument \(PythonText.quoted(name))")
      }
      bound[position] = value
    }
    for position in 0..<required where bound[position] == nil {
      throw JinjaFailure("\(function)() missing required argument: \(PythonText.quoted(parameters[position]))")
    }
    return bound
  }

  func requireNone(_ function: String) throws { _ = try bound(function, []) }

  /// The arguments of a method that takes them by place only.
  func places(_ function: String, _ range: ClosedRange<Int>) throws -> [JinjaValue] {
    guard named.isEmpty else { throw JinjaFailure("\(function)() takes no keyword arguments") }
    guard range ~= positional.count else {
      let expected =
        range.lowerBound == range.upperBound
        ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
      throw JinjaFailure("\(function)() takes \(expected) arguments (\(positional.count) given)")
    }
    return positional
  }
}

/// A function, or a method together with the value that it belongs to.
final class Function: JinjaReference, @unchecked Sendable {
  typealias Body = (Arguments, Renderer) throws -> JinjaValue
  private let name: String
  private let nesting: Int
  private let body: Body

  /// - Parameter depth: how deep the values are nested that the function holds.
  init(_ name: String, depth: Int = 0, _ body: @escaping Body) {
    self.name = name
    self.nesting = depth
    self.body = body
  }

  override var typeName: String { "function" }
  override var depth: Int { nesting + 1 }
  override var isCallable: Bool { true }
  override func call(_ arguments: Arguments, _ renderer: Renderer) throws -> JinjaValue {
    try body(arguments, renderer)
  }
}

/// A macro, or the block that a `call` tag passes to one.
final class Macro: JinjaReference, @unchecked Sendable {
  private let definition: MacroDefinition
  private let scope: Scope

  init(_ definition: MacroDefinition, scope: Scope) {
    self.definition = definition
    self.scope = scope
  }

  override var typeName: String { "Macro" }
  override var objectName: String { "jinja2.runtime.Macro object" }
  override var isCallable: Bool { true }

  override func attribute(_ name: String, _ renderer: Renderer) -> JinjaValue? {
    switch name {
    case "name": definition.name.map { .string($0) } ?? JinjaValue.none
    case "arguments": .tuple(JinjaList(definition.parameters.map { .string($0.name) }))
    case "catch_kwargs": .bool(definition.takesNamed)
    case "catch_varargs": .bool(definition.takesMore)
    case "caller": .bool(definition.takesCaller)
    default: nil
    }
  }

  override func call(_ arguments: Arguments, _ renderer: Renderer) throws -> JinjaValue {
    .string(try renderer.nested(definition.nesting) { try definition.run(arguments, scope, renderer) })
  }

  override func write(to text: inout String, depth: Int, _ renderer: Renderer) {
    text += "<Macro \(definition.name.map(PythonText.quoted) ?? "anonymous")>"
  }
}

/// What a `macro` or `call` tag defines.
struct MacroDefinition: Sendable {
  struct Parameter: Sendable {
    let name: String
    let id: Int
    let standard: (any Expression)?
  }

  let name: String?
  let parameters: [Parameter]
  let body: Block
  let line: Int
  /// The ids of `caller`, `varargs` and `kwargs`.
  let special: SpecialNames
  /// Whether the body uses `caller`, `varargs`, `kwargs`.
  let takesCaller: Bool, takesMore: Bool, takesNamed: Bool

  var nesting: Int { body.nesting }

  /// The text of the body with `arguments`.
  func run(_ arguments: Arguments, _ outer: Scope, _ renderer: Renderer) throws -> String {
    let scope = body.scope(in: outer, renderer)
    var values: [JinjaValue?] = Array(arguments.positional.prefix(parameters.count))
    var named = arguments.named
    func take(_ name: String) -> JinjaValue? {
      named.firstIndex { $0.name.isSame(as: name) }.map { named.remove(at: $0).value }
    }
    for parameter in parameters.dropFirst(values.count) { values.append(take(parameter.name)) }
    let explicitCaller = parameters.contains { $0.name.isSame(as: "caller") }
    if takesCaller, !explicitCaller {
      let caller = take("caller").flatMap { $0.isNone ? nil : $0 }
      scope.set(special.caller, caller ?? .undefined("No caller defined"))
    }
    if takesNamed {
      scope.set(special.kwargs, .members(named.map { ($0.name, $0.value) }))
    } else if let extra = named.first {
      throw JinjaFailure(
        extra.name.isSame(as: "caller")
          ? "macro \(shownName) was invoked with two values for the special caller argument. "
            + "This is most likely a bug."
          : "macro \(shownName) takes no keyword argument \(PythonText.quoted(extra.name))")
    }
    if takesMore {
      scope.set(special.varargs, .tuple(JinjaList(Array(arguments.positional.dropFirst(parameters.count)))))
    } else if arguments.positional.count > parameters.count {
      throw JinjaFailure("macro \(shownName) takes not more than \(parameters.count) argument(s)")
    }
    for (parameter, value) in zip(parameters, values) where value != nil { scope.set(parameter.id, value ?? .none) }
    for (parameter, value) in zip(parameters, values) where value == nil {
      // A default may use the parameters before it.
      let standard = try parameter.standard.map { try $0.evaluate(scope, renderer) }
      scope.set(
        parameter.id,
        standard ?? .undefined("parameter \(PythonText.quoted(parameter.name)) was not provided"))
    }
    return try renderer.capture { _ = try body.run(scope, renderer) }
  }

  private var shownName: String { name.map(PythonText.quoted) ?? "None" }
}

/// The ids of the names that macros may use without declaring them.
struct SpecialNames: Sendable {
  let caller: Int, varargs: Int, kwargs: Int
}
