import Foundation

extension Filters {
  /// Filters of numbers.
  static let numbers: [String: Operation] = [
    "int": { value, arguments, renderer in
      let bound = try arguments.bound("int", ["default", "base"])
      let base = try bound[1].map(StringMethods.integer) ?? 10
      return try integer(value, base: base, renderer) ?? bound[0] ?? .integer(0)
    },
    "float": { value, arguments, _ in
      let bound = try arguments.bound("float", ["default"])
      if case .undefined(let undefined) = value { throw JinjaFailure(undefined) }
      if let number = value.number { return .float(number) }
      return value.text.flatMap(float).map { .float($0) } ?? bound[0] ?? .float(0)
    },
    "abs": { value, arguments, renderer in
      try arguments.requireNone("abs")
      if case .float(let float) = value { return .float(float.magnitude) }
      if case .undefined(let undefined) = value { throw JinjaFailure(undefined) }
      guard let integer = value.integer else {
        throw JinjaFailure("bad operand type for abs(): '\(value.typeName)'")
      }
      return try integer < 0 ? renderer.signed(.integer(integer), minus: true) : .integer(integer)
    },
    "round": { value, arguments, renderer in
      let bound = try arguments.bound("round", ["precision", "method"])
      let precision = try bound[0].map(StringMethods.integer) ?? 0
      let method = bound[1]?.text ?? (bound[1] == nil ? "common" : "")
      return try round(value, precision, method)
    },
    "sum": { value, arguments, renderer in
      let bound = try arguments.bound("sum", ["attribute", "start"])
      let attribute = bound[0].flatMap { $0.isNone ? nil : $0 }.map(AttributePath.init)
      var sum = bound[1] ?? .integer(0)
      if sum.text != nil { throw JinjaFailure("sum() can't sum strings [use ''.join(seq) instead]") }
      let cursor = try renderer.cursor(value)
      while let element = try cursor.next() {
        try renderer.step()
        sum = try renderer.compute(.add, sum, attribute?.value(of: element, renderer) ?? element)
      }
      return sum
    },
    "filesizeformat": { value, arguments, renderer in
      let bound = try arguments.bound("filesizeformat", ["binary"])
      let isBinary = try bound[0].map(renderer.isTrue) ?? false
      guard let bytes = value.number ?? value.text.flatMap(float) else {
        throw JinjaFailure("filesizeformat needs a number, not \(value.typeName)")
      }
      let base = isBinary ? 1024.0 : 1000
      if bytes == 1 { return .string("1 Byte") }
      if bytes < base { return .string("\(PythonText.wholePart(bytes)) Bytes") }
      let prefixes =
        isBinary
        ? ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"] : ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"]
      var unit = base, shown = ""
      for prefix in prefixes {
        unit *= base
        shown = String(format: "%.1f ", base * bytes / unit) + prefix
        if bytes < unit { break }
      }
      return .string(shown)
    },
    "min": { try extreme($0, $1, $2, "min", isMaximum: false) },
    "max": { try extreme($0, $1, $2, "max", isMaximum: true) },
  ]

  /// Python's `int(value)`; nil where it refuses the value.
  private static func integer(_ value: JinjaValue, base: Int, _ renderer: Renderer) throws -> JinjaValue? {
    if case .undefined(let undefined) = value { throw JinjaFailure(undefined) }
    if let integer = value.integer { return .integer(integer) }
    if let text = value.text, let integer = try integer(text, base: base, renderer) { return .integer(integer) }
    guard let number = value.text.flatMap(float) ?? value.number, number.isFinite else { return nil }
    guard let integer = Int(exactly: number.rounded(.towardZero)) else { throw renderer.tooLarge }
    return .integer(integer)
  }

  private static func integer(_ text: String, base: Int, _ renderer: Renderer) throws -> Int? {
    guard base == 0 || 2...36 ~= base else { return nil }
    var digits = Substring(text.stripped(\.isPythonSpace))
    var sign = ""
    if digits.first == "-" || digits.first == "+" { sign = digits.removeFirst() == "-" ? "-" : "" }
    var base = base
    let prefix = digits.prefix(2).lowercased()
    for (name, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where prefix == name && (base == radix || base == 0) {
      digits = digits.dropFirst(2)
      if digits.first == "_" { digits.removeFirst() }
      base = radix
    }
    if base == 0 { base = 10 }
    guard let plain = withoutUnderscores(digits),
      plain.utf8.allSatisfy({ Character(UnicodeScalar($0)).hexDigitOrLetter.map { $0 < base } ?? false })
    else { return nil }
    guard let integer = Int(sign + plain, radix: base) else { throw renderer.tooLarge }
    return integer
  }

  /// Python's `float(text)`.
  static func float(_ text: String) -> Double? {
    let stripped = text.stripped(\.isPythonSpace).lowercased()
    let unsigned = stripped.hasPrefix("-") || stripped.hasPrefix("+") ? stripped.dropFirst() : Substring(stripped)
    if ["inf", "infinity", "nan"].contains(unsigned) { return Double(stripped) }
    guard unsigned.utf8.first.map({ $0 == 0x2E || 0x30...0x39 ~= $0 }) == true,
      !unsigned.utf8.contains(UInt8(ascii: "x")),
      let plain = withoutUnderscores(Substring(stripped))
    else { return nil }
    // Swift gives nothing for a number that is too large or too small.
    return Double(plain) ?? (isNumber(plain) ? strtod(plain, nil) : nil)
  }

  private static func isNumber(_ text: String) -> Bool {
    text.utf8.allSatisfy { 0x30...0x39 ~= $0 || [0x2E, 0x65, 0x2B, 0x2D].contains($0) }
      && text.utf8.last.map { 0x30...0x39 ~= $0 } == true && text.utf8.count { $0 == 0x65 } == 1
  }

  /// `text` without the single underscores between its digits; nil if there are others, or nothing.
  private static func withoutUnderscores(_ text: Substring) -> String? {
    guard !text.isEmpty, text.utf8.first != 0x5F, text.utf8.last != 0x5F, !text.contains("__") else { return nil }
    return String(bytes: text.utf8.filter { $0 != 0x5F })
  }

  private static func round(_ value: JinjaValue, _ precision: Int, _ method: String) throws -> JinjaValue {
    guard ["common", "ceil", "floor"].contains(method) else {
      throw JinjaFailure("method must be common, ceil or floor")
    }
    if case .undefined(let undefined) = value { throw JinjaFailure(undefined) }
    guard let number = value.number else {
      throw JinjaFailure("type \(value.typeName) doesn't define __round__ method")
    }
    guard -300...300 ~= precision else { throw JinjaFailure("a precision of more than 300 digits", kind: .limit) }
    if method != "common" {
      let scale = pow(10, Double(precision))
      guard (number * scale).isFinite else { throw JinjaFailure("cannot convert float infinity to integer") }
      let whole = method == "ceil" ? (number * scale).rounded(.up) : (number * scale).rounded(.down)
      return .float((whole + 0) / scale)
    }
    if let integer = value.integer {
      guard precision < 0 else { return .integer(integer) }
      guard precision > -19 else { return .integer(0) }
      let unit = (0..<(-precision)).reduce(1) { unit, _ in unit * 10 }
      let remainder = ((integer % unit) + unit) % unit
      let down = integer - remainder
      let isUp = remainder * 2 > unit || (remainder * 2 == unit && !(down / unit).isMultiple(of: 2))
      return .integer(isUp ? down + unit : down)
    }
    guard number.isFinite else { return value }
    // The decimal digits of the exact value, rounded to even, as Python does it.
    if precision >= 0 { return .float(strtod(String(format: "%.\(precision)f", number), nil)) }
    let unit = pow(10, Double(-precision))
    return .float((number / unit).rounded(.toNearestOrEven) * unit)
  }

  private static func extreme(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer, _ name: String, isMaximum: Bool
  ) throws -> JinjaValue {
    let bound = try arguments.bound(name, ["case_sensitive", "attribute"])
    let key = SortKey(bound[1], isCaseSensitive: try bound[0].map(renderer.isTrue) ?? false)
    let cursor = try renderer.cursor(value)
    guard var best = try cursor.next() else { return .undefined("No aggregated item, sequence was empty.") }
    var bestKey = try key.value(of: best, renderer)
    while let element = try cursor.next() {
      let elementKey = try key.value(of: element, renderer)
      if try isMaximum ? renderer.isBefore(bestKey, elementKey) : renderer.isBefore(elementKey, bestKey) {
        (best, bestKey) = (element, elementKey)
      }
    }
    return best
  }
}

extension Character {
  /// The value of a digit or an ASCII letter, as numbers in other bases have them.
  fileprivate var hexDigitOrLetter: Int? {
    guard let byte = asciiValue else { return nil }
    switch byte {
    case 0x30...0x39: return Int(byte) - 0x30
    case 0x41...0x5A: return Int(byte) - 0x41 + 10
    case 0x61...0x7A: return Int(byte) - 0x61 + 10
    default: return nil
    }
  }
}

extension PythonText {
  /// `int(value)` as text.
  static func wholePart(_ value: Double) -> String { String(format: "%.0f", value.rounded(.towardZero)) }
}
