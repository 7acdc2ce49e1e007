import Foundation

/// How Python writes values as text.
enum PythonText {
  /// `repr` of a string: in single quotes, unless it has these and no double ones.
  static func quoted(_ text: String) -> String {
    let quote: Unicode.Scalar = text.utf8.contains(0x27) && !text.utf8.contains(0x22) ? "\"" : "'"
    var quoted = String(quote)
    for scalar in text.unicodeScalars {
      switch scalar {
      case quote, "\\":
        quoted += "\\"
        quoted.unicodeScalars.append(scalar)
      case "\n": quoted += "\\n"
      case "\r": quoted += "\\r"
      case "\t": quoted += "\\t"
      default:
        if scalar.isPrintable {
          quoted.unicodeScalars.append(scalar)
        } else {
          quoted += escaped(scalar.value)
        }
      }
    }
    quoted.unicodeScalars.append(quote)
    return quoted
  }

  private static func escaped(_ value: UInt32) -> String {
    switch value {
    case ..<0x100: "\\x" + hex(value, digits: 2)
    case ..<0x10000: "\\u" + hex(value, digits: 4)
    default: "\\U" + hex(value, digits: 8)
    }
  }

  /// `value` in hexadecimal with at least `digits` digits.
  static func hex(_ value: UInt32, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
  }

  /// `repr` of a number with a fraction: the fewest digits that read back the same, with an exponent from 1e16 on and
  /// below 1e-4.
  static func float(_ value: Double) -> String {
    if value.isNaN { return "nan" }
    if value.isInfinite { return value < 0 ? "-inf" : "inf" }
    if value == 0 { return value.sign == .minus ? "-0.0" : "0.0" }
    // Swift writes the same digits, but changes to an exponent elsewhere.
    let text = "\(value.magnitude)"
    let parts = text.split(separator: "e", maxSplits: 1)
    let halves = parts[0].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    var digits = halves.joined()
    var point = halves[0].utf8.count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0)
    let zeros = digits.prefix { $0 == "0" }.utf8.count
    digits = String(digits.dropFirst(zeros))
    point -= zeros
    while digits.utf8.count > 1, digits.utf8.last == UInt8(ascii: "0") { digits.removeLast() }
    return (value < 0 ? "-" : "") + written(digits, point: point)
  }

  /// `digits` with the decimal point after the first `point` of them.
  private static func written(_ digits: String, point: Int) -> String {
    let count = digits.utf8.count
    if point > 16 || point < -3 {
      let exponent = point - 1, size = abs(exponent)
      return digits.prefix(1) + (count > 1 ? "." + digits.dropFirst() : "") + "e" + (exponent < 0 ? "-" : "+")
        + (size < 10 ? "0" : "") + String(size)
    }
    if point <= 0 { return "0." + String(repeating: "0", count: -point) + digits }
    if point >= count { return digits + String(repeating: "0", count: point - count) + ".0" }
    return digits.prefix(point) + "." + digits.dropFirst(point)
  }

  /// `repr` of a simple value, for messages; of others only the type.
  static func shortRepresentation(_ value: JinjaValue) -> String {
    switch value {
    case .none: "None"
    case .bool(let bool): bool ? "True" : "False"
    case .integer(let integer): "\(integer)"
    case .float(let float): self.float(float)
    case .string(let text), .markup(let text): quoted(text.utf8.count > 200 ? text.codePoints(0..<40) + "…" : text)
    default: "a \(value.typeName)"
    }
  }
}

extension Renderer {
  /// `str(value)`.
  func text(_ value: JinjaValue) throws -> String {
    switch value {
    case .string(let text), .markup(let text): return text
    case .undefined: return ""
    case .none: return "None"
    case .bool(let bool): return bool ? "True" : "False"
    case .integer(let integer): return String(integer)
    case .float(let float): return PythonText.float(float)
    default: return try representation(value)
    }
  }

  /// `repr(value)`.
  func representation(_ value: JinjaValue) throws -> String {
    var text = ""
    try write(value, to: &text, depth: 0)
    return text
  }

  func write(_ value: JinjaValue, to text: inout String, depth: Int) throws {
    try step()
    try check(length: text.utf8.count)
    guard depth <= Limit.valueDepth else { throw tooDeep }
    switch value {
    case .string(let string):
      try spend(bytes: string.utf8.count)
      text += PythonText.quoted(string)
    case .markup(let string):
      try spend(bytes: string.utf8.count)
      text += "Markup(" + PythonText.quoted(string) + ")"
    case .undefined: text += "Undefined"
    case .list(let list):
      text += "["
      try write(list.elements, to: &text, depth: depth)
      text += "]"
    case .tuple(let list):
      text += "("
      try write(list.elements, to: &text, depth: depth)
      text += list.elements.count == 1 ? ",)" : ")"
    case .object(let object):
      try write(object, to: &text, depth: depth)
    case .reference(let reference):
      try reference.write(to: &text, depth: depth, self)
    default: text += try self.text(value)
    }
  }

  func write(_ elements: [JinjaValue], to text: inout String, depth: Int) throws {
    for (position, element) in elements.enumerated() {
      if position > 0 { text += ", " }
      try write(element, to: &text, depth: depth + 1)
    }
  }

  func write(_ object: JinjaObject, to text: inout String, depth: Int) throws {
    text += "{"
    for position in object.keys.indices {
      if position > 0 { text += ", " }
      try write(object.keys[position], to: &text, depth: depth + 1)
      text += ": "
      try write(object.values[position], to: &text, depth: depth + 1)
    }
    text += "}"
  }
}
