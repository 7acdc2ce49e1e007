extension Filters {
  /// Filters that apply another filter, or a test, to every element.
  static let choosing: [String: Operation] = [
    "map": { value, arguments, renderer in try map(value, arguments, renderer) },
    "select": { try choose($0, $1, $2, keeps: true, byAttribute: false) },
    "reject": { try choose($0, $1, $2, keeps: false, byAttribute: false) },
    "selectattr": { try choose($0, $1, $2, keeps: true, byAttribute: true) },
    "rejectattr": { try choose($0, $1, $2, keeps: false, byAttribute: true) },
    "attr": { value, arguments, renderer in
      let name = try arguments.bound("attr", ["name"], required: 1)[0]?.text
      guard let name else { throw JinjaFailure("attribute name must be string") }
      if case .undefined(let undefined) = value { throw JinjaFailure(undefined) }
      return try renderer.ownAttribute(name, of: value)
        ?? .undefined(JinjaUndefined(.member(name, of: value.objectName)))
    },
  ]

  /// A generator whose arguments are looked at when the first element is asked for, as Python's are.
  private static func lazily(
    _ value: JinjaValue, _ renderer: Renderer, _ prepare: @escaping () throws -> (JinjaValue) throws -> JinjaValue?
  ) throws -> JinjaValue {
    var cursor: Cursor?
    var change: ((JinjaValue) throws -> JinjaValue?)?
    var isDone = false
    return .reference(
      try Generator(
        nesting: value.depth,
        FunctionCursor {
          if isDone { return nil }
          if cursor == nil {
            guard try renderer.isTrue(value) else {
              isDone = true
              return nil
            }
            change = try prepare()
            cursor = try renderer.cursor(value)
          }
          while let element = try cursor?.next() {
            try renderer.step()
            if let changed = try change?(element) { return changed }
          }
          isDone = true
          return nil
        }))
  }

  private static func map(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer
  ) throws -> JinjaValue {
    try lazily(value, renderer) {
      if arguments.positional.isEmpty, let attribute = arguments.named.first(where: { $0.name == "attribute" }) {
        let path = AttributePath(attribute.value)
        let standard = arguments.named.first { $0.name == "default" }?.value
        if let other = arguments.named.first(where: { $0.name != "attribute" && $0.name != "default" }) {
          throw JinjaFailure("Unexpected keyword argument \(PythonText.quoted(other.name))")
        }
        if attribute.value.isNone { return { $0 } }
        return { try path.value(of: $0, renderer, or: standard.flatMap { $0.isNone ? nil : $0 }) }
      }
      guard let name = arguments.positional.first else { throw JinjaFailure("map requires a filter argument") }
      let filter = try operation(name, among: all, "filter")
      let rest = Arguments(positional: Array(arguments.positional.dropFirst()), named: arguments.named)
      return { try filter($0, rest, renderer) }
    }
  }

  private static func choose(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer, keeps: Bool, byAttribute: Bool
  ) throws -> JinjaValue {
    try lazily(value, renderer) {
      var positional = arguments.positional[...]
      var path: AttributePath?
      if byAttribute {
        guard let attribute = positional.popFirst() else {
          throw JinjaFailure("Missing parameter for attribute name")
        }
        path = attribute.isNone ? nil : AttributePath(attribute)
      }
      var test: Operation?
      if let name = positional.popFirst() { test = try operation(name, among: Tests.all, "test") }
      let rest = Arguments(positional: Array(positional), named: arguments.named)
      return { element in
        let tested = try path?.value(of: element, renderer) ?? element
        let result = try test?(tested, rest, renderer) ?? tested
        return try renderer.isTrue(result) == keeps ? element : nil
      }
    }
  }

  private static func operation(
    _ name: JinjaValue, among operations: [String: Operation], _ kind: String
  ) throws -> Operation {
    if let name = name.text, let operation = operations[name] { return operation }
    if case .undefined(let undefined) = name {
      throw JinjaFailure(
        "No \(kind) named Undefined. (\(undefined.message); did you forget to quote the callable name?)")
    }
    throw JinjaFailure("No \(kind) named \(PythonText.shortRepresentation(name)).")
  }
}
