extension Renderer {
  // MARK: - Attributes and items

  /// `object.name`: an attribute, or else the item of that name.
  func attribute(_ name: String, of object: JinjaValue) throws -> JinjaValue {
    if case .undefined(let undefined) = object { throw JinjaFailure(undefined) }
    if let attribute = try ownAttribute(name, of: object) { return attribute }
    if case .object(let members) = object, let member = members[name] { return member }
    return missing(.string(name), of: object)
  }

  /// `object[key]`: an item, or else the attribute of that name.
  func item(_ key: JinjaValue, of object: JinjaValue) throws -> JinjaValue {
    switch object {
    case .undefined(let undefined): throw JinjaFailure(undefined)
    case .object(let members):
      if case .string(let name) = key {
        if let member = members[name] { return member }
      } else if let key = HashKey(key), let member = members[key] {
        return member
      }
    case .list(let list), .tuple(let list):
      if let place = key.integer.flatMap({ wrapped($0, count: list.elements.count) }) { return list.elements[place] }
    case .string(let text), .markup(let text):
      if let place = key.integer {
        try spend(bytes: text.utf8.count)
        guard let place = wrapped(place, count: text.unicodeScalars.count) else { break }
        return same(as: object, text.codePoints(place..<(place + 1)))
      }
    case .reference(let reference): if let item = reference.item(key) { return item }
    default: break
    }
    if let name = key.text, let attribute = try ownAttribute(name, of: object) { return attribute }
    return missing(key, of: object)
  }

  /// The attribute that the value has by itself, without regard to items; nil if there is none.
  func ownAttribute(_ name: String, of object: JinjaValue) throws -> JinjaValue? {
    if name.starts(withText: "__"), name.ends(withText: "__"), name.utf8.count > 4 {
      // Python's own: never to be touched, and undefined without a complaint until it is used.
      return unsafe(name, of: object)
    }
    switch object {
    case .string, .markup:
      return StringMethods.all[name].map { method in
        .reference(Function(name) { try method(object, $0, $1) })
      }
    case .list(let list), .tuple(let list):
      if list.isGroup {
        if name == "grouper" { return list.elements.first }
        if name == "list" { return list.elements.last }
      }
      if case .list = object, ContainerMethods.changingList.contains(name) { return unsafe(name, of: object) }
      if case .tuple = object, name == "copy" { return nil }
      return try method(ContainerMethods.list[name], name, of: object)
    case .object:
      if ContainerMethods.changingObject.contains(name) { return unsafe(name, of: object) }
      return try method(ContainerMethods.object[name], name, of: object)
    case .integer, .bool:
      return name == "real" || name == "numerator"
        ? .integer(object.integer ?? 0)
        : name == "imag" ? .integer(0) : name == "denominator" ? .integer(1) : nil
    case .float(let float):
      return name == "real"
        ? object
        : name == "imag"
          ? .float(0)
          : name == "is_integer" ? .reference(Function(name) { _, _ in .bool(float == float.rounded()) }) : nil
    case .reference(let reference): return try reference.attribute(name, self)
    case .none, .undefined: return nil
    }
  }

  private func method(_ method: Operation?, _ name: String, of object: JinjaValue) throws -> JinjaValue? {
    guard let method else { return nil }
    try check(depth: object.depth + 1)
    return .reference(Function(name, depth: object.depth) { try method(object, $0, $1) })
  }

  private func unsafe(_ name: String, of object: JinjaValue) -> JinjaValue {
    .undefined("access to attribute \(PythonText.quoted(name)) of '\(object.typeName)' object is unsafe.")
  }

  private func missing(_ key: JinjaValue, of object: JinjaValue) -> JinjaValue {
    if let name = key.text { return .undefined(JinjaUndefined(.member(name, of: object.objectName))) }
    return .undefined(JinjaUndefined(.element(PythonText.shortRepresentation(key), of: object.objectName)))
  }

  /// A text of the kind of `object`.
  func same(as object: JinjaValue, _ text: String) -> JinjaValue {
    if case .markup = object { .markup(text) } else { .string(text) }
  }

  // MARK: - Slices

  func slice(
    _ object: JinjaValue, _ start: JinjaValue, _ stop: JinjaValue, _ stride: JinjaValue
  ) throws -> JinjaValue {
    switch object {
    case .undefined(let undefined): throw JinjaFailure(undefined)
    case .list(let list):
      let places = try Places(start, stop, stride, count: list.elements.count)
      try spend(places.count)
      return .list(JinjaList(places.map { list.elements[$0] }))
    case .tuple(let list):
      let places = try Places(start, stop, stride, count: list.elements.count)
      try spend(places.count)
      return .tuple(JinjaList(places.map { list.elements[$0] }))
    case .string(let text), .markup(let text):
      try spend(bytes: text.utf8.count)
      let places = try Places(start, stop, stride, count: text.unicodeScalars.count)
      if places.stride == 1 { return same(as: object, text.codePoints(places.start..<(places.start + places.count))) }
      try spend(text.utf8.count)
      let scalars = Array(text.unicodeScalars)
      var sliced = String.UnicodeScalarView()
      sliced.append(contentsOf: places.map { scalars[$0] })
      return same(as: object, String(sliced))
    case .reference(let reference as RangeReference):
      let places = try Places(start, stop, stride, count: reference.length)
      let first = reference.start + places.start * reference.step
      let step = reference.step * places.stride
      return .reference(
        RangeReference(start: first, stop: first + step * places.count, step: step, length: places.count))
    case .object: throw JinjaFailure("unhashable type: 'slice'")
    default: throw JinjaFailure("'\(object.typeName)' object is not subscriptable")
    }
  }

  /// The places of a slice.
  private struct Places: Sequence {
    var start = 0, stride = 1, count = 0

    init(_ start: JinjaValue, _ stop: JinjaValue, _ stride: JinjaValue, count: Int) throws {
      func integer(_ value: JinjaValue) throws -> Int? {
        if value.isNone { return nil }
        guard let integer = value.integer else {
          throw JinjaFailure("slice indices must be integers or None or have an __index__ method")
        }
        return integer
      }
      let stride = try integer(stride) ?? 1
      guard stride != 0 else { throw JinjaFailure("slice step cannot be zero") }
      let lowest = stride > 0 ? 0 : -1, highest = stride > 0 ? count : count - 1
      func clamped(_ value: Int?, or standard: Int) -> Int {
        guard let value else { return standard }
        return value < 0 ? Swift.max(lowest, value < -count ? lowest : value + count) : Swift.min(value, highest)
      }
      let first = clamped(try integer(start), or: stride > 0 ? lowest : highest)
      let last = clamped(try integer(stop), or: stride > 0 ? highest : lowest)
      self.start = first
      self.stride = stride
      let distance = stride > 0 ? last - first : first - last
      let size = stride.magnitude
      self.count = distance > 0 ? Int((UInt(distance) - 1) / size) + 1 : 0
      if self.count == 0 { self.start = Swift.min(Swift.max(first, 0), count) }
      if self.count == 1 { self.stride = 1 }
    }

    func makeIterator() -> AnyIterator<Int> {
      var position = 0
      return AnyIterator {
        guard position < count else { return nil }
        defer { position += 1 }
        return start + position * stride
      }
    }
  }

  // MARK: - Walking

  /// Walks through the elements of `value`.
  func cursor(_ value: JinjaValue) throws -> Cursor {
    switch value {
    case .list(let list), .tuple(let list): return ListCursor(list.elements)
    case .object(let object): return ListCursor(object.keys)
    case .string(let text), .markup(let text):
      var scalars = text.unicodeScalars.makeIterator()
      return FunctionCursor { scalars.next().map { .string(String($0)) } }
    case .undefined: return ListCursor([])
    case .reference(let reference): if let cursor = try reference.cursor(self) { return cursor }
    default: break
    }
    throw JinjaFailure("'\(value.typeName)' object is not iterable")
  }

  /// All elements of `value`.
  func array(_ value: JinjaValue) throws -> [JinjaValue] {
    switch value {
    case .list(let list), .tuple(let list): return list.elements
    case .object(let object): return object.keys
    default:
      let cursor = try cursor(value)
      var elements: [JinjaValue] = []
      while let element = try cursor.next() {
        try step()
        if elements.count >= Limit.elements { try check(count: elements.count + 1) }
        elements.append(element)
      }
      return elements
    }
  }

  /// `len(value)`; nil for what has no length.
  func count(_ value: JinjaValue) throws -> Int? {
    switch value {
    case .undefined: return 0
    case .string(let text), .markup(let text):
      try spend(bytes: text.utf8.count)
      return text.unicodeScalars.count
    case .list(let list), .tuple(let list): return list.elements.count
    case .object(let object): return object.count
    case .reference(let reference): return try reference.count(self)
    default: return nil
    }
  }
}
