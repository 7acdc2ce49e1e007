extension Renderer {
  // MARK: - "{}".format(value)

  /// `format.format(…)`
  func format(_ format: JinjaValue, _ arguments: Arguments) throws -> String {
    let isMarkup = if case .markup = format { true } else { false }
    var automatic = 0
    return try self.format(Array((format.text ?? "").unicodeScalars), arguments, &automatic, isMarkup, depth: 2)
  }

  /// - Parameter automatic: the number of the next `{}`; −1 once fields are numbered by hand.
  private func format(
    _ scalars: [Unicode.Scalar], _ arguments: Arguments, _ automatic: inout Int, _ isMarkup: Bool, depth: Int
  ) throws -> String {
    guard depth >= 0 else { throw JinjaFailure("Max string recursion exceeded") }
    try spend(scalars.count)
    var result = String.UnicodeScalarView()
    var position = 0
    while position < scalars.count {
      let scalar = scalars[position]
      position += 1
      guard scalar == "{" || scalar == "}" else {
        result.append(scalar)
        continue
      }
      if position < scalars.count, scalars[position] == scalar {
        result.append(scalar)
        position += 1
        continue
      }
      guard scalar == "{" else { throw JinjaFailure("Single '}' encountered in format string") }
      guard position < scalars.count else { throw JinjaFailure("Single '{' encountered in format string") }
      // The field ends at its own bracket.
      var end = position, open = 1
      while end < scalars.count {
        if scalars[end] == "{" { open += 1 }
        if scalars[end] == "}" { open -= 1 }
        if open == 0 { break }
        end += 1
      }
      guard open == 0 else { throw JinjaFailure("expected '}' before end of string") }
      let field = Array(scalars[position..<end])
      position = end + 1
      let text = try self.field(field, arguments, &automatic, isMarkup, depth: depth)
      result.append(contentsOf: text.unicodeScalars)
      try check(length: result.count)
    }
    return String(result)
  }

  /// The text of a field, `name!conversion:style`.
  private func field(
    _ field: [Unicode.Scalar], _ arguments: Arguments, _ automatic: inout Int, _ isMarkup: Bool, depth: Int
  ) throws -> String {
    var nameEnd = 0, bracket = false
    while nameEnd < field.count {
      if field[nameEnd] == "[" { bracket = true }
      if field[nameEnd] == "]" { bracket = false }
      if !bracket, field[nameEnd] == "!" || field[nameEnd] == ":" { break }
      nameEnd += 1
    }
    var rest = field[nameEnd...]
    var value = try fieldValue(Array(field[..<nameEnd]), arguments, &automatic)
    var isConverted = false
    if rest.first == "!" {
      rest = rest.dropFirst()
      guard let conversion = rest.popFirst() else { throw JinjaFailure("unmatched '{' in format spec") }
      switch conversion {
      case "s": value = .string(try text(value))
      case "r": value = .string(try representation(value))
      case "a": value = .string(ascii(try representation(value)))
      default: throw JinjaFailure("Unknown conversion specifier \(conversion)")
      }
      isConverted = true
      guard rest.isEmpty || rest.first == ":" else { throw JinjaFailure("expected ':' after conversion specifier") }
    }
    let style = try format(Array(rest.dropFirst()), arguments, &automatic, false, depth: depth - 1)
    let text = try styled(value, style)
    if isMarkup, isConverted || value.text != nil, !isSafe(value) { return try escaped(text) }
    return text
  }

  private func isSafe(_ value: JinjaValue) -> Bool { if case .markup = value { true } else { false } }

  private func fieldValue(
    _ name: [Unicode.Scalar], _ arguments: Arguments, _ automatic: inout Int
  ) throws -> JinjaValue {
    var position = name.firstIndex { $0 == "." || $0 == "[" } ?? name.count
    let first = String(String.UnicodeScalarView(name[..<position]))
    var value: JinjaValue
    if first.isEmpty || first.unicodeScalars.allSatisfy(\.isDigit) {
      var place = Int(first) ?? 0
      if first.isEmpty {
        guard automatic >= 0 else {
          throw JinjaFailure("cannot switch from manual field specification to automatic field numbering")
        }
        place = automatic
        automatic += 1
      } else {
        guard automatic <= 0 else {
          throw JinjaFailure("cannot switch from automatic field numbering to manual field specification")
        }
        automatic = -1
      }
      guard place < arguments.positional.count else {
        throw JinjaFailure("Replacement index \(place) out of range for positional args tuple")
      }
      value = arguments.positional[place]
    } else {
      guard let named = arguments.named.first(where: { $0.name.isSame(as: first) }) else {
        throw JinjaFailure(PythonText.quoted(first))
      }
      value = named.value
    }
    while position < name.count {
      let isItem = name[position] == "["
      let start = position + 1
      var end = start
      while end < name.count, isItem ? name[end] != "]" : name[end] != "." && name[end] != "[" { end += 1 }
      if isItem, end == name.count { throw JinjaFailure("Missing ']' in format string") }
      let key = String(String.UnicodeScalarView(name[start..<end]))
      guard !key.isEmpty else { throw JinjaFailure("Empty attribute in format string") }
      value =
        isItem
        ? try item(Int(key).map { .integer($0) } ?? .string(key), of: value) : try attribute(key, of: value)
      position = isItem ? end + 1 : end
      if position < name.count, name[position] != ".", name[position] != "[" {
        throw JinjaFailure("Only '.' or '[' may follow ']' in format field specifier")
      }
    }
    return value
  }

  /// `format(value, style)`
  private func styled(_ value: JinjaValue, _ specification: String) throws -> String {
    if specification.isEmpty { return try text(value) }
    var style = try FieldStyle(specification)
    switch value {
    case .string(let text), .markup(let text):
      guard style.type == nil || style.type == "s" else {
        throw JinjaFailure("Unknown format code '\(style.type ?? "s")' for object of type 'str'")
      }
      if style.alignment == "=" { throw JinjaFailure("'=' alignment not allowed in string format specifier") }
      let count = min(style.precision ?? .max, text.unicodeScalars.count)
      return try aligned(text.codePoints(0..<count), style, standard: "<")
    case .bool, .integer, .float:
      if case .bool = value, style.type == nil { return try aligned(text(value), style, standard: "<") }
      if let integer = value.integer, "dxXobn".unicodeScalars.contains(style.type ?? "d") {
        guard style.precision == nil else { throw JinjaFailure("Precision not allowed in integer format specifier") }
        if style.type == "n" { style.type = "d" }
        return try integerField(integer, style)
      }
      if let integer = value.integer, style.type == "c" {
        guard let code = UInt32(exactly: integer).flatMap(Unicode.Scalar.init) else {
          throw JinjaFailure("%c arg not in range(0x110000)")
        }
        return try aligned(String(code), style, standard: "<")
      }
      guard let type = style.type else { return try plainFloat(value.number ?? 0, style) }
      guard "eEfFgG%n".unicodeScalars.contains(type) else {
        throw JinjaFailure("Unknown format code '\(type)' for object of type '\(value.typeName)'")
      }
      if type == "n" { style.type = "g" }
      return try floatField(value.number ?? 0, style)
    case .undefined: return try aligned("", style, standard: "<")
    default: throw JinjaFailure("unsupported format string passed to \(value.typeName).__format__")
    }
  }

  /// A number with a fraction and a style without a type.
  private func plainFloat(_ value: Double, _ style: FieldStyle) throws -> String {
    guard style.precision == nil, style.grouping == nil else {
      var style = style
      style.type = "g"
      let text = try floatField(value, style)
      return text.contains(".") || text.contains("e") || !value.isFinite ? text : text
    }
    let text = PythonText.float(value.magnitude)
    let sign = value.sign == .minus ? "-" : style.sign == "-" ? "" : String(style.sign)
    return try aligned(sign + text, style, standard: ">")
  }
}

extension FieldStyle {
  /// The style of a field of `format`: `[[fill]align][sign][#][0][width][,][.precision][type]`.
  init(_ text: String) throws {
    var scalars = ArraySlice(Array(text.unicodeScalars))
    func isAlignment(_ scalar: Unicode.Scalar?) -> Bool { scalar.map { "<>^=".unicodeScalars.contains($0) } ?? false }
    if isAlignment(scalars.dropFirst().first) {
      fill = scalars.removeFirst()
      alignment = scalars.removeFirst()
    } else if isAlignment(scalars.first) {
      alignment = scalars.removeFirst()
    }
    if let first = scalars.first, first == "+" || first == "-" || first == " " { sign = scalars.removeFirst() }
    if scalars.first == "#" {
      isAlternate = true
      scalars.removeFirst()
    }
    if scalars.first == "0" {
      scalars.removeFirst()
      if alignment == nil { (fill, alignment) = ("0", "=") }
    }
    func number() -> Int? {
      var number: Int?
      while let digit = scalars.first, digit.isDigit {
        number = min((number ?? 0) * 10 + Int(digit.value - 48), 1 << 40)
        scalars.removeFirst()
      }
      return number
    }
    width = number() ?? 0
    if let first = scalars.first, first == "," || first == "_" { grouping = scalars.removeFirst() }
    if scalars.first == "." {
      scalars.removeFirst()
      guard let digits = number() else { throw JinjaFailure("Format specifier missing precision") }
      precision = digits
    }
    type = scalars.popFirst()
    guard scalars.isEmpty else { throw JinjaFailure("Invalid format specifier") }
  }
}
