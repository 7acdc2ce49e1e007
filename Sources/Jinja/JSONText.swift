import StrictJSON

/// What the filter `tojson` writes: as transformers calls Python's `json.dumps`, which escapes nothing for HTML.
struct JSONText {
  private var text = ""
  private let renderer: Renderer
  private let isASCII: Bool
  private let indent: String?
  private let itemSeparator: String, keySeparator: String
  private let sortsKeys: Bool

  /// `value|tojson(…)`
  static func filter(_ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer) throws -> JinjaValue {
    let bound = try arguments.bound("tojson", ["ensure_ascii", "indent", "separators", "sort_keys"])
    var writer = try JSONText(bound, renderer)
    try writer.write(value, depth: 0)
    return .string(writer.text)
  }

  private init(_ arguments: [JinjaValue?], _ renderer: Renderer) throws {
    self.renderer = renderer
    isASCII = try arguments[0].map(renderer.isTrue) ?? false
    sortsKeys = try arguments[3].map(renderer.isTrue) ?? false
    switch arguments[1] {
    case nil, .some(.none): indent = nil
    case .some(let value):
      if let text = value.text {
        indent = text
      } else if let count = value.integer {
        indent = try renderer.repeated(" ", max(count, 0))
      } else {
        throw JinjaFailure("the indent of tojson must be a number or a text, not \(value.typeName)")
      }
    }
    if let separators = arguments[2], !separators.isNone {
      let pair = try renderer.array(separators)
      guard pair.count == 2, let item = pair[0].text, let key = pair[1].text else {
        throw JinjaFailure("the separators of tojson must be two texts")
      }
      (itemSeparator, keySeparator) = (item, key)
    } else {
      (itemSeparator, keySeparator) = (indent == nil ? ", " : ",", ": ")
    }
  }

  private mutating func write(_ value: JinjaValue, depth: Int) throws {
    try renderer.step()
    try renderer.check(length: text.utf8.count)
    switch value {
    case .none: text += "null"
    case .bool(let bool): text += bool ? "true" : "false"
    case .integer(let integer): text += String(integer)
    case .float(let float): text += number(float)
    case .string(let string), .markup(let string): try quote(string)
    case .list(let list), .tuple(let list):
      try bracket("[", "]", list.elements.count, depth) { writer, position in
        try writer.write(list.elements[position], depth: depth + 1)
      }
    case .object(let object):
      var places = Array(object.keys.indices)
      if sortsKeys { places = try renderer.sorted(places, by: { object.keys[$0] }) }
      try bracket("{", "}", places.count, depth) { writer, position in
        try writer.quote(writer.key(object.keys[places[position]]))
        writer.text += writer.keySeparator
        try writer.write(object.values[places[position]], depth: depth + 1)
      }
    case .undefined, .reference:
      throw JinjaFailure("Object of type \(value.typeName) is not JSON serializable")
    }
  }

  private mutating func bracket(
    _ open: String, _ close: String, _ count: Int, _ depth: Int, _ element: (inout JSONText, Int) throws -> Void
  ) throws {
    text += open
    for position in 0..<count {
      if position > 0 { text += itemSeparator }
      try breakLine(depth + 1)
      try element(&self, position)
    }
    if count > 0 { try breakLine(depth) }
    text += close
  }

  private mutating func breakLine(_ depth: Int) throws {
    guard let indent else { return }
    text += "\n"
    text += try renderer.repeated(indent, depth)
  }

  private func number(_ value: Double) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-Infinity" : "Infinity" }
    return PythonText.float(value)
  }

  private func key(_ value: JinjaValue) throws -> String {
    switch value {
    case .string(let text), .markup(let text): return text
    case .none: return "null"
    case .bool(let bool): return bool ? "true" : "false"
    case .integer(let integer): return String(integer)
    case .float(let float): return number(float)
    default: throw JinjaFailure("keys must be str, int, float, bool or None, not \(value.typeName)")
    }
  }

  private mutating func quote(_ string: String) throws {
    try renderer.spend(bytes: string.utf8.count)
    let quoted = JSONWriter.quoted(string)
    if !isASCII {
      text += quoted
      return
    }
    for scalar in quoted.unicodeScalars {
      if scalar.value <= 0x7E {
        text.unicodeScalars.append(scalar)
      } else {
        for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter {
          text += "\\u" + PythonText.hex(UInt32(unit), digits: 4)
        }
      }
    }
  }
}
