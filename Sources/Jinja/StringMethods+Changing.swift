extension StringMethods {
  // MARK: - Methods that change

  static let changing: [String: Operation] = [
    "upper": { try mapped($0, $1, $2, "upper", upper) },
    "lower": { try mapped($0, $1, $2, "lower", lower) },
    "casefold": { try mapped($0, $1, $2, "casefold", lower) },
    "title": { try mapped($0, $1, $2, "title", title) },
    "capitalize": { try mapped($0, $1, $2, "capitalize", capitalized) },
    "swapcase": {
      try mapped($0, $1, $2, "swapcase") { text in
        text.unicodeScalars.map { scalar in
          scalar.properties.isUppercase
            ? scalar.properties.lowercaseMapping
            : scalar.properties.isLowercase ? scalar.properties.uppercaseMapping : String(scalar)
        }.joined()
      }
    },
    "replace": { value, arguments, renderer in
      let places = try arguments.places("replace", 2...3)
      var new = try string(places[1], "replace")
      if case .markup = value, case .string = places[1] { new = try renderer.escaped(new) }
      let count = places.count > 2 ? try integer(places[2]) : -1
      let old = try string(places[0], "replace")
      return renderer.same(as: value, try renderer.replaced(text(value), old, new, most: count < 0 ? .max : count))
    },
    "join": { value, arguments, renderer in
      let places = try arguments.places("join", 1...1)
      var joined = "", isFirst = true
      let cursor = try renderer.cursor(places[0])
      var position = 0
      while let element = try cursor.next() {
        guard let part = element.text else {
          throw JinjaFailure("sequence item \(position): expected str instance, \(element.typeName) found")
        }
        if !isFirst { joined += text(value) }
        if case .markup = value, case .string = element {
          joined += try renderer.escaped(part)
        } else {
          joined += part
        }
        isFirst = false
        position += 1
        try renderer.spend(bytes: part.utf8.count + text(value).utf8.count)
        try renderer.check(length: joined.utf8.count)
      }
      return renderer.same(as: value, joined)
    },
    "center": { try padded($0, $1, $2, "center") },
    "ljust": { try padded($0, $1, $2, "ljust") },
    "rjust": { try padded($0, $1, $2, "rjust") },
    "zfill": { value, arguments, renderer in
      let width = try integer(arguments.places("zfill", 1...1)[0]), text = text(value)
      let missing = width - text.unicodeScalars.count
      guard missing > 0 else { return value }
      let zeros = try renderer.repeated("0", missing)
      let hasSign = text.utf8.first == UInt8(ascii: "-") || text.utf8.first == UInt8(ascii: "+")
      return renderer.same(as: value, hasSign ? text.prefix(1) + zeros + text.dropFirst() : zeros + text)
    },
    "expandtabs": { value, arguments, renderer in
      let size = try arguments.bound("expandtabs", ["tabsize"])[0].map(integer) ?? 8
      var expanded = String.UnicodeScalarView(), column = 0
      try renderer.spend(text(value).utf8.count)
      for scalar in text(value).unicodeScalars {
        if scalar == "\t" {
          guard size > 0 else { continue }
          let spaces = size - column % size
          try renderer.check(length: expanded.count + spaces)
          try renderer.spend(spaces)
          expanded.append(contentsOf: repeatElement(" ", count: spaces))
          column += spaces
        } else {
          expanded.append(scalar)
          column = scalar == "\n" || scalar == "\r" ? 0 : column + 1
        }
      }
      return renderer.same(as: value, String(expanded))
    },
    "format": { value, arguments, renderer in
      renderer.same(as: value, try renderer.format(value, arguments))
    },
    "format_map": { value, arguments, renderer in
      guard case .object(let object) = try arguments.places("format_map", 1...1)[0] else {
        throw JinjaFailure("format_map() argument must be a mapping")
      }
      let named = zip(object.keys, object.values).compactMap { key, value in key.text.map { (name: $0, value: value) } }
      return renderer.same(as: value, try renderer.format(value, Arguments(positional: [], named: named)))
    },
    "encode": { _, _, _ in throw JinjaFailure("encode() gives bytes, which templates here do not have") },
    "translate": { _, _, _ in throw JinjaFailure("translate() is not available in templates here") },
    "maketrans": { _, _, _ in throw JinjaFailure("maketrans() is not available in templates here") },
  ]

  private static func mapped(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer, _ name: String, _ map: (String) -> String
  ) throws -> JinjaValue {
    try arguments.requireNone(name)
    return renderer.same(as: value, try renderer.mapped(text(value), map))
  }

  static func upper(_ text: String) -> String {
    var upper = ""
    for scalar in text.unicodeScalars { upper += scalar.properties.uppercaseMapping }
    return upper
  }

  static func lower(_ text: String) -> String {
    guard text.utf8.contains(0xCE) else {
      var lower = ""
      for scalar in text.unicodeScalars { lower += scalar.properties.lowercaseMapping }
      return lower
    }
    let scalars = Array(text.unicodeScalars)
    return scalars.indices.map { lower(at: $0, in: scalars) }.joined()
  }

  /// A capital sigma at the end of a word becomes another letter.
  private static func lower(at position: Int, in scalars: [Unicode.Scalar]) -> String {
    guard scalars[position] == "\u{3A3}" else { return scalars[position].properties.lowercaseMapping }
    let before = scalars[..<position].last { !$0.properties.isCaseIgnorable }
    let after = scalars[(position + 1)...].first { !$0.properties.isCaseIgnorable }
    return before?.isCased == true && after?.isCased != true ? "\u{3C2}" : "\u{3C3}"
  }

  private static func title(_ text: String) -> String {
    let scalars = Array(text.unicodeScalars)
    var title = "", isInWord = false
    for position in scalars.indices {
      title += isInWord ? lower(at: position, in: scalars) : scalars[position].properties.titlecaseMapping
      isInWord = scalars[position].isCased
    }
    return title
  }

  static func capitalized(_ text: String) -> String {
    guard let first = text.unicodeScalars.first else { return "" }
    let scalars = Array(text.unicodeScalars)
    let rest = scalars.indices.dropFirst().map { lower(at: $0, in: scalars) }
    return first.properties.titlecaseMapping + rest.joined()
  }

  private static func padded(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer, _ name: String
  ) throws -> JinjaValue {
    let places = try arguments.places(name, 1...2)
    let fill = places.count > 1 ? try string(places[1], name) : " "
    guard fill.unicodeScalars.count == 1 else {
      throw JinjaFailure("The fill character must be exactly one character long")
    }
    let padded = try renderer.padded(text(value), width: integer(places[0]), fill: fill, name)
    return renderer.same(as: value, padded)
  }

  // MARK: - Methods that ask

  static let asking: [String: Operation] = [
    "isdigit": { value, _, _ in asked(value) { $0.properties.numericType.map { $0 != .numeric } ?? false } },
    "isdecimal": { value, _, _ in asked(value) { $0.properties.numericType == .decimal } },
    "isnumeric": { value, _, _ in asked(value) { $0.properties.numericType != nil } },
    "isalpha": { value, _, _ in asked(value, \.isPythonLetter) },
    "isalnum": { value, _, _ in asked(value, \.isPythonAlphanumeric) },
    "isspace": { value, _, _ in asked(value, \.isPythonSpace) },
    "isascii": { value, _, _ in .bool(text(value).isASCIIOnly) },
    "isprintable": { value, _, _ in .bool(text(value).unicodeScalars.allSatisfy(\.isPrintable)) },
    "isidentifier": { value, _, _ in
      let scalars = text(value).unicodeScalars
      guard let first = scalars.first, first == "_" || first.properties.isXIDStart else { return .bool(false) }
      return .bool(scalars.allSatisfy(\.properties.isXIDContinue))
    },
    "islower": { value, _, _ in .bool(isLower(text(value))) },
    "isupper": { value, _, _ in .bool(isUpper(text(value))) },
    "istitle": { value, _, _ in
      var isInWord = false, hasCased = false
      for scalar in text(value).unicodeScalars {
        let isUpper = scalar.properties.isUppercase || scalar.properties.generalCategory == .titlecaseLetter
        if isUpper && isInWord || scalar.properties.isLowercase && !isInWord { return .bool(false) }
        isInWord = scalar.isCased
        hasCased = hasCased || isInWord
      }
      return .bool(hasCased)
    },
  ]

  private static func asked(_ value: JinjaValue, _ has: (Unicode.Scalar) -> Bool) -> JinjaValue {
    let scalars = text(value).unicodeScalars
    return .bool(!scalars.isEmpty && scalars.allSatisfy(has))
  }

  static func isLower(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy {
      !$0.properties.isUppercase && $0.properties.generalCategory != .titlecaseLetter
    } && text.unicodeScalars.contains { $0.properties.isLowercase }
  }

  static func isUpper(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy {
      !$0.properties.isLowercase && $0.properties.generalCategory != .titlecaseLetter
    } && text.unicodeScalars.contains { $0.properties.isUppercase }
  }
}

extension Renderer {
  /// `text` with the case or the like changed by `map`.
  func mapped(_ text: String, _ map: (String) -> String) throws -> String {
    try spend(text.utf8.count / 4 + 1)
    let mapped = map(text)
    try check(length: mapped.utf8.count)
    return mapped
  }

  /// `text` with `fill` around it.
  func padded(_ text: String, width: Int, fill: String, _ name: String) throws -> String {
    let (missing, overflow) = width.subtractingReportingOverflow(text.unicodeScalars.count)
    guard missing > 0, !overflow else { return text }
    // As Python does it: what cannot be halved goes to the left, if the width is odd.
    let left = name == "ljust" ? 0 : name == "rjust" ? missing : missing / 2 + (missing & width & 1)
    return try joined(repeated(fill, left) + text, repeated(fill, missing - left))
  }

  /// `text` with `new` for `old`, at the first `most` places.
  func replaced(_ text: String, _ old: String, _ new: String, most: Int = .max) throws -> String {
    try spend(bytes: text.utf8.count)
    guard most > 0 else { return text }
    if old.isEmpty {
      var result = "", count = 0
      for scalar in text.unicodeScalars {
        if count < most { result += new }
        count += 1
        result.unicodeScalars.append(scalar)
        try spend(bytes: new.utf8.count)
        try check(length: result.utf8.count)
      }
      return count < most ? result + new : result
    }
    var result: [UInt8] = [], start = 0, count = 0
    let bytes = Array(text.utf8), replacement = Array(new.utf8)
    try text.forEachOccurrence(of: old) { offset in
      result += bytes[start..<offset]
      result += replacement
      start = offset + old.utf8.count
      count += 1
      try spend(bytes: new.utf8.count)
      try check(length: result.count)
      return count < most
    }
    if count == 0 { return text }
    result += bytes[start...]
    return String(bytes: result)
  }

  /// `text` with the characters escaped that mean something in HTML.
  func escaped(_ text: String) throws -> String {
    try spend(bytes: text.utf8.count)
    var escaped: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "&"): escaped += Array("&amp;".utf8)
      case UInt8(ascii: "<"): escaped += Array("&lt;".utf8)
      case UInt8(ascii: ">"): escaped += Array("&gt;".utf8)
      case UInt8(ascii: "'"): escaped += Array("&#39;".utf8)
      case UInt8(ascii: "\""): escaped += Array("&#34;".utf8)
      default: escaped.append(byte)
      }
    }
    try check(length: escaped.count)
    return String(bytes: escaped)
  }
}
