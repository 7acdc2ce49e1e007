/// What filters accept as `attribute`: `"name"`, `"function.name"`, a number.
struct AttributePath {
  private let parts: [JinjaValue]

  init(_ value: JinjaValue) {
    guard let text = value.text else {
      parts = [value]
      return
    }
    parts = text.split(separator: ".", omittingEmptySubsequences: false).map { part in
      let isNumber = !part.isEmpty && part.utf8.allSatisfy { 0x30...0x39 ~= $0 }
      return isNumber ? Int(part).map { .integer($0) } ?? .string(String(part)) : .string(String(part))
    }
  }

  /// - Parameter standard: what stands for a part that does not exist.
  func value(of object: JinjaValue, _ renderer: Renderer, or standard: JinjaValue? = nil) throws -> JinjaValue {
    var value = object
    for part in parts {
      try renderer.step()
      value = try renderer.item(part, of: value)
      if value.isUndefined, let standard { value = standard }
    }
    return value
  }
}

/// By what a filter sorts or groups.
struct SortKey {
  private let paths: [AttributePath]
  private let isCaseSensitive: Bool
  private let isList: Bool

  /// - Parameter isList: whether `attribute` may name several, with commas.
  init(_ attribute: JinjaValue?, isCaseSensitive: Bool, isList: Bool = false) {
    self.isCaseSensitive = isCaseSensitive
    self.isList = isList
    guard let attribute, !attribute.isNone else {
      paths = []
      return
    }
    if isList, let text = attribute.text {
      paths = text.split(separator: ",", omittingEmptySubsequences: false).map { AttributePath(.string(String($0))) }
    } else {
      paths = [AttributePath(attribute)]
    }
  }

  func value(of element: JinjaValue, _ renderer: Renderer, or standard: JinjaValue? = nil) throws -> JinjaValue {
    var values = try paths.map { try $0.value(of: element, renderer, or: standard) }
    if paths.isEmpty { values = [element] }
    if !isCaseSensitive { values = try values.map { try folded($0, renderer) } }
    return isList ? .list(JinjaList(values)) : values[0]
  }

  private func folded(_ value: JinjaValue, _ renderer: Renderer) throws -> JinjaValue {
    guard let text = value.text else { return value }
    return .string(try renderer.mapped(text, StringMethods.lower))
  }
}

extension Renderer {
  /// `elements` in the order of their keys; equal ones stay as they are.
  func sorted<Element>(
    _ elements: [Element], isReversed: Bool = false, by key: (Element) throws -> JinjaValue
  ) throws -> [Element] {
    var keyed = try elements.map { (element: $0, key: try key($0)) }
    // Swift's sort is stable. Reversed twice, equal elements keep their order.
    if isReversed { keyed.reverse() }
    try keyed.sort { try isBefore($0.key, $1.key) }
    if isReversed { keyed.reverse() }
    return keyed.map(\.element)
  }
}
