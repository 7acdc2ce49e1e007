import Diagnostics

/// What `namespace()` gives: attributes that a template may set.
final class Namespace: JinjaReference, @unchecked Sendable {
  private(set) var attributes: JinjaObject

  init(_ attributes: JinjaObject) { self.attributes = attributes }

  override var typeName: String { "TemplateNamespace" }
  override var objectName: String { "transformers.utils.chat_template_utils.TemplateNamespace object" }

  override func attribute(_ name: String, _ renderer: Renderer) -> JinjaValue? { attributes[name] }

  func set(_ name: String, _ value: JinjaValue) throws {
    try Namespace.check(name)
    var builder = JinjaObject.Builder()
    for (key, value) in zip(attributes.keys, attributes.values) {
      if let hash = HashKey(key) { builder.set(hash, key: key, value: value) }
    }
    builder.set(.text(ExactText(name)), key: .string(name), value: value)
    attributes = builder.object
  }

  /// transformers lets no template reach for names that Python uses itself.
  static func check(_ name: String) throws {
    guard name.starts(withText: "_") else { return }
    throw JinjaFailure(
      "Chat templates cannot store underscore-prefixed attributes on a namespace, but got \(PythonText.quoted(name)). "
        + "Please rename the attribute.")
  }

  func clear() { attributes = JinjaObject.Builder().object }

  override func write(to text: inout String, depth: Int, _ renderer: Renderer) throws {
    text += "<Namespace "
    try renderer.write(attributes, to: &text, depth: depth + 1)
    text += ">"
  }
}

/// What `cycler()` gives.
final class Cycler: JinjaReference, @unchecked Sendable {
  private let items: JinjaList
  private var position = 0

  init(_ items: [JinjaValue]) { self.items = JinjaList(items) }

  override var typeName: String { "Cycler" }
  override var objectName: String { "jinja2.utils.Cycler object" }
  override var depth: Int { items.depth }

  override func attribute(_ name: String, _ renderer: Renderer) -> JinjaValue? {
    switch name {
    case "current": items.elements[position]
    case "items": .tuple(items)
    case "pos": .integer(position)
    case "next":
      method("next") { [self] in
        defer { position = (position + 1) % items.elements.count }
        return items.elements[position]
      }
    case "reset":
      method("reset") { [self] in
        position = 0
        return .none
      }
    default: nil
    }
  }

  private func method(_ name: String, _ body: @escaping () -> JinjaValue) -> JinjaValue {
    .reference(
      Function(name, depth: depth) { arguments, _ in
        try arguments.requireNone(name)
        return body()
      })
  }
}

/// What `joiner()` gives: nothing at first, then always its text.
final class Joiner: JinjaReference, @unchecked Sendable {
  private let separator: JinjaValue
  private var isUsed = false

  init(_ separator: JinjaValue) { self.separator = separator }

  override var typeName: String { "Joiner" }
  override var objectName: String { "jinja2.utils.Joiner object" }
  override var depth: Int { separator.depth + 1 }
  override var isCallable: Bool { true }
  override func attribute(_ name: String, _ renderer: Renderer) -> JinjaValue? {
    switch name {
    case "sep": separator
    case "used": .bool(isUsed)
    default: nil
    }
  }
  override func call(_ arguments: Arguments, _ renderer: Renderer) throws -> JinjaValue {
    try arguments.requireNone("joiner")
    defer { isUsed = true }
    return isUsed ? separator : .string("")
  }
}
