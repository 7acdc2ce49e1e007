import Foundation

/// How a value is written in a field of `%` or `format`.
struct FieldStyle {
  var fill: Unicode.Scalar = " "
  /// `<`, `>`, `^` or `=`
  var alignment: Unicode.Scalar?
  /// `+`, `-` or a space
  var sign: Unicode.Scalar = "-"
  var isAlternate = false
  var width = 0
  var grouping: Unicode.Scalar?
  var precision: Int?
  var type: Unicode.Scalar?
}

extension Renderer {
  // MARK: - "%s" % value

  /// `text % value`
  func formatted(_ format: JinjaValue, with value: JinjaValue) throws -> JinjaValue {
    let text = format.text ?? ""
    try spend(text.utf8.count)
    let isMarkup = if case .markup = format { true } else { false }
    var values: [JinjaValue]
    var isMapping = false
    switch value {
    case .tuple(let list): values = list.elements
    case .object, .list, .undefined: (values, isMapping) = ([value], true)
    default: values = [value]
    }
    values.reverse()
    var result = ""
    var scalars = text.unicodeScalars.makeIterator()
    func next() throws -> Unicode.Scalar {
      guard let scalar = scalars.next() else { throw JinjaFailure("incomplete format") }
      return scalar
    }
    func take() throws -> JinjaValue {
      guard let value = values.popLast() else { throw JinjaFailure("not enough arguments for format string") }
      return value
    }
    func number(_ scalar: inout Unicode.Scalar) throws -> Int {
      if scalar == "*" {
        scalar = try next()
        guard case .integer(let width) = values.popLast() else { throw JinjaFailure("* wants int") }
        return width
      }
      var number = 0
      while scalar.isDigit {
        number = min(number * 10 + Int(scalar.value - 48), 1 << 40)
        scalar = try next()
      }
      return number
    }
    while let scalar = scalars.next() {
      guard scalar == "%" else {
        result.unicodeScalars.append(scalar)
        continue
      }
      var scalar = try next()
      var style = FieldStyle()
      var given: JinjaValue?
      if scalar == "(" {
        var key = String.UnicodeScalarView(), depth = 1
        while true {
          let scalar = try next()
          if scalar == "(" { depth += 1 }
          if scalar == ")" { depth -= 1 }
          if depth == 0 { break }
          key.append(scalar)
        }
        guard case .object(let object) = value else { throw JinjaFailure("format requires a mapping") }
        guard let member = object[String(key)] else { throw JinjaFailure(PythonText.quoted(String(key))) }
        given = member
        values = []
        scalar = try next()
      }
      flags: while true {
        switch scalar {
        case "-": style.alignment = "<"
        case "+": style.sign = "+"
        case " ": if style.sign != "+" { style.sign = " " }
        case "#": style.isAlternate = true
        case "0": style.fill = "0"
        default: break flags
        }
        scalar = try next()
      }
      style.width = try number(&scalar)
      if style.width < 0 { (style.width, style.alignment) = (-style.width, "<") }
      if scalar == "." {
        scalar = try next()
        style.precision = max(0, try number(&scalar))
      }
      while scalar == "l" || scalar == "h" || scalar == "L" { scalar = try next() }
      if scalar == "%" {
        result += "%"
        continue
      }
      let argument = try given ?? take()
      let field = try percentField(scalar, argument, style)
      result += isMarkup && "srac".unicodeScalars.contains(scalar) ? try escaped(field) : field
      try check(length: result.utf8.count)
    }
    if !values.isEmpty, !isMapping { throw JinjaFailure("not all arguments converted during string formatting") }
    return same(as: format, result)
  }

  private func percentField(_ type: Unicode.Scalar, _ value: JinjaValue, _ style: FieldStyle) throws -> String {
    var style = style
    switch type {
    case "s", "r", "a":
      var text = type == "s" ? try self.text(value) : try representation(value)
      if type == "a" { text = ascii(text) }
      if let precision = style.precision { text = text.codePoints(0..<min(precision, text.unicodeScalars.count)) }
      style.fill = " "
      return try aligned(text, style, standard: ">")
    case "c":
      if let text = value.text, text.unicodeScalars.count == 1 { return try aligned(text, style, standard: ">") }
      guard let code = value.integer.flatMap(UInt32.init(exactly:)).flatMap(Unicode.Scalar.init) else {
        throw JinjaFailure("%c requires int or char")
      }
      return try aligned(String(code), style, standard: ">")
    case "d", "i", "u", "x", "X", "o":
      var integer = value.integer
      if integer == nil, case .float(let float) = value, "diu".unicodeScalars.contains(type) {
        integer = Int(exactly: float.rounded(.towardZero))
        if integer == nil { throw tooLarge }
      }
      if case .undefined(let undefined) = value { throw JinjaFailure(undefined) }
      guard let integer else {
        throw JinjaFailure("%\(type) format: a real number is required, not \(value.typeName)")
      }
      if style.fill == "0", style.alignment == nil { style.alignment = "=" }
      if style.alignment == "<" { style.fill = " " }
      if let precision = style.precision {
        try check(length: precision)
        let digits = String(integer.magnitude, radix: type == "o" ? 8 : type == "x" || type == "X" ? 16 : 10)
        let padded = String(repeating: "0", count: max(0, precision - digits.utf8.count)) + digits
        let sign = integer < 0 ? "-" : style.sign == "-" ? "" : String(style.sign)
        return try aligned(sign + (type == "X" ? padded.uppercased() : padded), style, standard: ">")
      }
      style.type = type == "i" || type == "u" ? "d" : type
      return try integerField(integer, style)
    case "e", "E", "f", "F", "g", "G":
      if case .undefined(let undefined) = value { throw JinjaFailure(undefined) }
      guard let number = value.number else {
        throw JinjaFailure("must be real number, not \(value.typeName)")
      }
      if style.fill == "0", style.alignment == nil { style.alignment = "=" }
      if style.alignment == "<" { style.fill = " " }
      style.type = type
      return try floatField(number, style)
    default:
      throw JinjaFailure("unsupported format character '\(type)' (0x\(String(type.value, radix: 16)))")
    }
  }

  func ascii(_ text: String) -> String {
    text.unicodeScalars.map { scalar in
      if scalar.isASCII { return String(scalar) }
      return scalar.value < 0x100
        ? "\\x" + PythonText.hex(scalar.value, digits: 2)
        : scalar.value < 0x10000
          ? "\\u" + PythonText.hex(scalar.value, digits: 4) : "\\U" + PythonText.hex(scalar.value, digits: 8)
    }.joined()
  }

  // MARK: - Fields

  func aligned(_ text: String, _ style: FieldStyle, standard: Unicode.Scalar) throws -> String {
    let missing = style.width - text.unicodeScalars.count
    guard missing > 0 else { return text }
    let fill = String(style.fill)
    switch style.alignment ?? standard {
    case "<": return text + (try repeated(fill, missing))
    case "^": return try repeated(fill, missing / 2) + text + repeated(fill, missing - missing / 2)
    case "=":
      let sign = text.prefix { $0 == "-" || $0 == "+" || $0 == " " }
      return sign + (try repeated(fill, missing)) + text.dropFirst(sign.count)
    default: return try repeated(fill, missing) + text
    }
  }

  func integerField(_ value: Int, _ style: FieldStyle) throws -> String {
    let radix = style.type == "x" || style.type == "X" ? 16 : style.type == "o" ? 8 : style.type == "b" ? 2 : 10
    var digits = String(value.magnitude, radix: radix)
    if style.type == "X" { digits = digits.uppercased() }
    if let grouping = style.grouping { digits = grouped(digits, grouping, every: radix == 10 ? 3 : 4) }
    let prefix = style.isAlternate && radix != 10 ? "0" + String(style.type ?? "x") : ""
    let sign = value < 0 ? "-" : style.sign == "-" ? "" : String(style.sign)
    return try numberField(sign + prefix, digits, style)
  }

  func floatField(_ value: Double, _ style: FieldStyle) throws -> String {
    let sign = value.sign == .minus && !value.isNaN ? "-" : style.sign == "-" ? "" : String(style.sign)
    let type = style.type ?? "g"
    var digits: String
    if !value.isFinite {
      digits = value.isNaN ? "nan" : "inf"
      if "EFG".unicodeScalars.contains(type) { digits = digits.uppercased() }
    } else {
      let precision = style.precision ?? 6
      guard precision <= 1000 else { throw JinjaFailure("a precision of more than 1000", kind: .limit) }
      let number = type == "%" ? value.magnitude * 100 : value.magnitude
      let letter = type == "%" ? "f" : String(type)
      digits = String(format: "%\(style.isAlternate ? "#" : "").\(precision)\(letter)", number)
      if let grouping = style.grouping {
        let whole = digits.prefix { $0.isNumber }
        digits = grouped(String(whole), grouping, every: 3) + digits.dropFirst(whole.count)
      }
      if type == "%" { digits += "%" }
    }
    return try numberField(sign, digits, style)
  }

  private func numberField(_ sign: String, _ digits: String, _ style: FieldStyle) throws -> String {
    let missing = style.width - sign.utf8.count - digits.utf8.count
    if style.alignment == "=", missing > 0 { return sign + (try repeated(String(style.fill), missing)) + digits }
    return try aligned(sign + digits, style, standard: ">")
  }

  private func grouped(_ digits: String, _ separator: Unicode.Scalar, every size: Int) -> String {
    var grouped = ""
    let count = digits.utf8.count
    for (position, digit) in digits.enumerated() {
      if position > 0, (count - position).isMultiple(of: size) { grouped.unicodeScalars.append(separator) }
      grouped.append(digit)
    }
    return grouped
  }
}
