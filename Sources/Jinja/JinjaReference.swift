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

/// The error of a value that is nested too deep.
var tooDeep: JinjaFailure {
  JinjaFailure("values are nested more than \(Limit.valueDepth) deep in one another", kind: .limit)
}

/// `position` counted from the start, where negative ones count from the end; nil if there is no such element.
func wrapped(_ position: Int, count: Int) -> Int? {
  let place = position < 0 ? position + count : position
  return 0..<count ~= place ? place : nil
}
