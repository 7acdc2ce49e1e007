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
