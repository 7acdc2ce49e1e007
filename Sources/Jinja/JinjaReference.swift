/// A thing that exists only while a template runs: a macro, a namespace, a generator, a function, the variable `loop`.
///
/// It stays inside the rendering that made it, in one thread: programs cannot make references, and a template keeps
/// none.
public class JinjaReference: @unchecked Sendable {
  init() {}

  /// What Python calls the type.
  var typeName: String { "object" }
  /// What jinja2 calls it in errors.
  var objectName: String { "\(typeName) object" }
  /// How deep values are nested in it.
  var depth: Int { 0 }
  /// The number of elements, for what `len` accepts.
  func count(_ renderer: Renderer) throws -> Int? { nil }
  /// Walks through the elements; nil for what is not iterable.
  func cursor(_ renderer: Renderer) throws -> Cursor? { nil }
  /// Walks through the elements from the end; nil for what cannot.
  func reversed() -> Cursor? { nil }
  /// The attribute `name`; nil if there is none.
  func attribute(_ name: String, _ renderer: Renderer) throws -> JinjaValue? { nil }
  /// The item `key`; nil for what has no items.
  func item(_ key: JinjaValue) -> JinjaValue? { nil }
  /// Whether it has items (and is a sequence if it has a length, too).
  var hasItems: Bool { false }
  /// Whether it can be called.
  var isCallable: Bool { false }
  func call(_ arguments: Arguments, _ renderer: Renderer) throws -> JinjaValue {
    throw JinjaFailure("'\(typeName)' object is not callable")
  }
  func isEqual(to other: JinjaReference, _ renderer: Renderer) throws -> Bool { self === other }
  /// Writes `repr`. What Python writes with an address is refused, since no two runs would agree.
  func write(to text: inout String, depth: Int, _ renderer: Renderer) throws {
    throw JinjaFailure(
      "a \(typeName) has no text of its own: jinja2 would print an address in memory, which differs from run to run")
  }
}

/// Walks through values. What it has given is gone, as with Python's iterators.
class Cursor {
  /// The next value, or nil at the end.
  func next() throws -> JinjaValue? { nil }
}

/// Walks through an array.
final class ListCursor: Cursor {
  private let elements: [JinjaValue]
  private var position = 0

  init(_ elements: [JinjaValue]) { self.elements = elements }

  override func next() -> JinjaValue? {
    guard position < elements.count else { return nil }
    defer { position += 1 }
    return elements[position]
  }
}

/// Walks through what a function gives.
final class FunctionCursor: Cursor {
  private let body: () throws -> JinjaValue?

  init(_ body: @escaping () throws -> JinjaValue?) { self.body = body }

  override func next() throws -> JinjaValue? { try body() }
}

/// A generator or iterator: it can be walked through once, and computes each value when it is asked for.
final class Generator: JinjaReference, @unchecked Sendable {
  private let inner: Cursor
  private let name: String
  private let nesting: Int

  /// - Parameter nesting: how deep the values are nested that it walks through.
  init(_ name: String = "generator", nesting: Int, _ inner: Cursor) throws {
    guard nesting < Limit.valueDepth else { throw tooDeep }
    self.inner = inner
    self.name = name
    self.nesting = nesting
  }

  override var typeName: String { name }
  override var depth: Int { nesting + 1 }
  override func cursor(_ renderer: Renderer) -> Cursor { inner }
}

/// Python's range.
final class RangeReference: JinjaReference, @unchecked Sendable {
  let start: Int, stop: Int, step: Int, length: Int

  init(start: Int, stop: Int, step: Int, length: Int) {
    self.start = start
    self.stop = stop
    self.step = step
    self.length = length
  }

  override var typeName: String { "range" }
  override var hasItems: Bool { true }
  override func count(_ renderer: Renderer) -> Int { length }

  subscript(position: Int) -> JinjaValue { .integer(start + position * step) }

  override func cursor(_ renderer: Renderer) -> Cursor { walk(0..<length) { $0 } }
  override func reversed() -> Cursor { walk(0..<length) { [length] in length - 1 - $0 } }

  private func walk(_ range: Range<Int>, _ place: @escaping (Int) -> Int) -> Cursor {
    var position = range.lowerBound
    return FunctionCursor { [self] in
      guard position < range.upperBound else { return nil }
      defer { position += 1 }
      return self[place(position)]
    }
  }

  override func item(_ key: JinjaValue) -> JinjaValue? {
    key.integer.flatMap { wrapped($0, count: length) }.map { self[$0] }
  }

  override func attribute(_ name: String, _ renderer: Renderer) -> JinjaValue? {
    switch name {
    case "start": .integer(start)
    case "stop": .integer(stop)
    case "step": .integer(step)
    default: nil
    }
  }

  override func isEqual(to other: JinjaReference, _ renderer: Renderer) -> Bool {
    guard let other = other as? RangeReference, length == other.length else { return false }
    return length == 0 || (start == other.start && (length == 1 || step == other.step))
  }

  override func write(to text: inout String, depth: Int, _ renderer: Renderer) {
    text += step == 1 ? "range(\(start), \(stop))" : "range(\(start), \(stop), \(step))"
  }
}

/// What `keys()`, `values()` and `items()` of an object give.
final class DictView: JinjaReference, @unchecked Sendable {
  enum Kind: String { case keys, values, items }
  let object: JinjaObject
  let kind: Kind

  init(_ object: JinjaObject, _ kind: Kind) {
    self.object = object
    self.kind = kind
  }

  override var typeName: String { "dict_\(kind.rawValue)" }
  override var depth: Int { object.depth + 1 }
  override func count(_ renderer: Renderer) -> Int { object.count }

  var elements: [JinjaValue] {
    switch kind {
    case .keys: object.keys
    case .values: object.values
    case .items: zip(object.keys, object.values).map { .pair($0, $1) }
    }
  }

  override func cursor(_ renderer: Renderer) -> Cursor { ListCursor(elements) }
  override func reversed() -> Cursor { ListCursor(elements.reversed()) }

  override func isEqual(to other: JinjaReference, _ renderer: Renderer) throws -> Bool {
    guard let other = other as? DictView, kind != .values, other.kind != .values else { return self === other }
    guard object.count == other.object.count else { return false }
    return try elements.allSatisfy { element in try other.elements.contains { try renderer.areEqual($0, element) } }
  }

  override func write(to text: inout String, depth: Int, _ renderer: Renderer) throws {
    text += "\(typeName)(["
    try renderer.write(elements, to: &text, depth: depth + 1)
    text += "])"
  }
}

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
    builder.set(.text(name), key: .string(name), value: value)
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

/// The error of a value that is nested too deep.
var tooDeep: JinjaFailure {
  JinjaFailure("values are nested more than \(Limit.valueDepth) deep in one another", kind: .limit)
}

/// `position` counted from the start, where negative ones count from the end; nil if there is no such element.
func wrapped(_ position: Int, count: Int) -> Int? {
  let place = position < 0 ? position + count : position
  return 0..<count ~= place ? place : nil
}
