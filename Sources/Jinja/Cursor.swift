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
