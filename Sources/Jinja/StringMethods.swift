/// The methods of text, as Python has them.
enum StringMethods {
  static let all: [String: Operation] = cutting.merging(finding) { $1 }.merging(changing) { $1 }.merging(asking) { $1 }

  /// The text of a method's object, and what makes a text of the same kind.
  static func text(_ value: JinjaValue) -> String { value.text ?? "" }

  static func string(_ value: JinjaValue, _ method: String) throws -> String {
    if let text = value.text { return text }
    throw JinjaFailure("\(method)() argument must be str, not \(value.typeName)")
  }

  static func integer(_ value: JinjaValue) throws -> Int {
    if let integer = value.integer { return integer }
    if case .undefined(let undefined) = value { throw JinjaFailure(undefined) }
    throw JinjaFailure("'\(value.typeName)' object cannot be interpreted as an integer")
  }

  // MARK: - Methods that cut

  private static let cutting: [String: Operation] = [
    "strip": { try stripped($0, $1, $2, "strip") },
    "lstrip": { try stripped($0, $1, $2, "lstrip", right: false) },
    "rstrip": { try stripped($0, $1, $2, "rstrip", left: false) },
    "split": { value, arguments, renderer in try split(value, arguments, renderer, fromEnd: false) },
    "rsplit": { value, arguments, renderer in try split(value, arguments, renderer, fromEnd: true) },
    "splitlines": { value, arguments, renderer in
      let keepEnds = try arguments.bound("splitlines", ["keepends"])[0].map { try renderer.isTrue($0) } ?? false
      try renderer.spend(text(value).utf8.count)
      return .elements(lines(text(value), keepEnds: keepEnds).map { renderer.same(as: value, $0) })
    },
    "partition": { value, arguments, renderer in try partition(value, arguments, renderer, fromEnd: false) },
    "rpartition": { value, arguments, renderer in try partition(value, arguments, renderer, fromEnd: true) },
    "removeprefix": { value, arguments, renderer in
      let text = text(value), prefix = try string(arguments.places("removeprefix", 1...1)[0], "removeprefix")
      guard text.starts(withText: prefix) else { return value }
      return renderer.same(as: value, String(bytes: text.utf8.dropFirst(prefix.utf8.count)))
    },
    "removesuffix": { value, arguments, renderer in
      let text = text(value), suffix = try string(arguments.places("removesuffix", 1...1)[0], "removesuffix")
      guard text.ends(withText: suffix) else { return value }
      return renderer.same(as: value, String(bytes: text.utf8.dropLast(suffix.utf8.count)))
    },
  ]

  private static func stripped(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer, _ name: String, left: Bool = true,
    right: Bool = true
  ) throws -> JinjaValue {
    let places = try arguments.places(name, 0...1)
    let text = text(value)
    try renderer.spend(bytes: text.utf8.count)
    guard let characters = places.first, !characters.isNone else {
      return renderer.same(as: value, text.stripped(left: left, right: right, \.isPythonSpace))
    }
    guard let characters = characters.text else { throw JinjaFailure("\(name) arg must be None or str") }
    let set = Set(characters.unicodeScalars)
    return renderer.same(as: value, text.stripped(left: left, right: right, set.contains))
  }

  private static func split(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer, fromEnd: Bool
  ) throws -> JinjaValue {
    let name = fromEnd ? "rsplit" : "split"
    let bound = try arguments.bound(name, ["sep", "maxsplit"])
    let most = try bound[1].map(integer) ?? -1
    let text = text(value)
    try renderer.spend(bytes: text.utf8.count)
    var parts: [String]
    if let separator = bound[0], !separator.isNone {
      guard let separator = separator.text else {
        throw JinjaFailure("must be str or None, not \(separator.typeName)")
      }
      guard !separator.isEmpty else { throw JinjaFailure("empty separator") }
      parts = try split(text, separator, most: most < 0 ? .max : most, renderer, fromEnd: fromEnd)
    } else {
      try renderer.spend(text.utf8.count)
      parts = words(text, most: most < 0 ? .max : most, fromEnd: fromEnd)
    }
    return .elements(parts.map { renderer.same(as: value, $0) })
  }

  private static func split(
    _ text: String, _ separator: String, most: Int, _ renderer: Renderer, fromEnd: Bool
  ) throws -> [String] {
    var starts = try offsets(of: separator, in: text, most: fromEnd ? .max : most, renderer)
    if fromEnd {
      // From the end, overlapping occurrences fall differently.
      starts = try offsets(of: separator, in: text, renderer, fromEnd: true)
      starts = Array(starts.prefix(most).reversed())
    }
    let bytes = Array(text.utf8)
    var parts: [String] = []
    var start = 0
    for offset in starts {
      parts.append(String(bytes: bytes[start..<offset]))
      start = offset + separator.utf8.count
    }
    return parts + [String(bytes: bytes[start...])]
  }

  /// Where `part` occurs, without overlaps.
  private static func offsets(
    of part: String, in text: String, most: Int = .max, _ renderer: Renderer, fromEnd: Bool = false
  ) throws -> [Int] {
    if fromEnd {
      let reversed = String(String.UnicodeScalarView(text.unicodeScalars.reversed()))
      let needle = String(String.UnicodeScalarView(part.unicodeScalars.reversed()))
      try renderer.spend(text.utf8.count)
      let offsets = try self.offsets(of: needle, in: reversed, renderer)
      return offsets.map { text.utf8.count - $0 - part.utf8.count }
    }
    var offsets: [Int] = []
    if most == 0 { return [] }
    try text.forEachOccurrence(of: part) { offset in
      try renderer.spend(4)
      offsets.append(offset)
      return offsets.count < most
    }
    return offsets
  }

  /// The words between spaces.
  private static func words(_ text: String, most: Int, fromEnd: Bool) -> [String] {
    var scalars = Array(text.unicodeScalars)
    if fromEnd { scalars.reverse() }
    var words: [[Unicode.Scalar]] = []
    var position = 0
    while true {
      while position < scalars.count, scalars[position].isPythonSpace { position += 1 }
      guard position < scalars.count else { break }
      var end = position
      if words.count == most {
        // What is left is one piece, whose spaces at the other end stay.
        words.append(Array(scalars[position...]))
        break
      }
      while end < scalars.count, !scalars[end].isPythonSpace { end += 1 }
      words.append(Array(scalars[position..<end]))
      position = end
    }
    let texts = words.map { String(String.UnicodeScalarView(fromEnd ? $0.reversed() : $0)) }
    return fromEnd ? texts.reversed() : texts
  }

  static func lines(_ text: String, keepEnds: Bool) -> [String] {
    var lines: [String] = []
    var line = String.UnicodeScalarView()
    var iterator = text.unicodeScalars.makeIterator()
    var next = iterator.next()
    while let scalar = next {
      next = iterator.next()
      guard scalar.endsLine else {
        line.append(scalar)
        continue
      }
      if keepEnds { line.append(scalar) }
      if scalar == "\r", next == "\n" {
        if keepEnds { line.append("\n") }
        next = iterator.next()
      }
      lines.append(String(line))
      line = String.UnicodeScalarView()
    }
    return line.isEmpty ? lines : lines + [String(line)]
  }

  private static func partition(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer, fromEnd: Bool
  ) throws -> JinjaValue {
    let name = fromEnd ? "rpartition" : "partition"
    let text = text(value), separator = try string(arguments.places(name, 1...1)[0], name)
    guard !separator.isEmpty else { throw JinjaFailure("empty separator") }
    let offsets = try offsets(of: separator, in: text, most: 1, renderer, fromEnd: fromEnd)
    let bytes = Array(text.utf8)
    let parts: [String]
    if let offset = offsets.first {
      parts = [
        String(bytes: bytes[..<offset]), separator, String(bytes: bytes[(offset + separator.utf8.count)...]),
      ]
    } else {
      parts = fromEnd ? ["", "", text] : [text, "", ""]
    }
    return .tuple(JinjaList(parts.map { renderer.same(as: value, $0) }))
  }

  // MARK: - Methods that find

  private static let finding: [String: Operation] = [
    "startswith": { try affix($0, $1, $2, "startswith") { $0.starts(withText: $1) } },
    "endswith": { try affix($0, $1, $2, "endswith") { $0.ends(withText: $1) } },
    "find": { .integer(try place($0, $1, $2, "find", fromEnd: false) ?? -1) },
    "rfind": { .integer(try place($0, $1, $2, "rfind", fromEnd: true) ?? -1) },
    "index": {
      guard let place = try place($0, $1, $2, "index", fromEnd: false) else {
        throw JinjaFailure("substring not found")
      }
      return .integer(place)
    },
    "rindex": {
      guard let place = try place($0, $1, $2, "rindex", fromEnd: true) else {
        throw JinjaFailure("substring not found")
      }
      return .integer(place)
    },
    "count": { value, arguments, renderer in
      let (text, part, _) = try window(value, arguments, renderer, "count")
      guard let text else { return .integer(0) }
      if part.isEmpty { return .integer(text.unicodeScalars.count + 1) }
      var count = 0
      text.forEachOccurrence(of: part) { _ in
        count += 1
        return true
      }
      return .integer(count)
    },
  ]

  /// The part of the text between the second and the third argument (nil if they leave nothing, not even the empty
  /// text), the text that is looked for, and where the part starts.
  private static func window(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer, _ name: String
  ) throws -> (text: String?, part: String, start: Int) {
    let places = try arguments.places(name, 1...3)
    let (text, start) = try window(value, Array(places.dropFirst()), renderer)
    return (text, try string(places[0], name), start)
  }

  private static func window(
    _ value: JinjaValue, _ bounds: [JinjaValue], _ renderer: Renderer
  ) throws -> (text: String?, start: Int) {
    let text = text(value)
    try renderer.spend(bytes: text.utf8.count)
    if bounds.isEmpty { return (text, 0) }
    let count = text.unicodeScalars.count
    func bound(_ position: Int, or standard: Int) throws -> Int {
      guard position < bounds.count, !bounds[position].isNone else { return standard }
      guard let bound = bounds[position].integer else {
        throw JinjaFailure("slice indices must be integers or None or have an __index__ method")
      }
      return bound < 0 ? max(0, bound < -count ? 0 : bound + count) : bound
    }
    let start = try bound(0, or: 0), end = min(try bound(1, or: count), count)
    guard start <= end else { return (nil, start) }
    return (text.codePoints(start..<end), start)
  }

  private static func affix(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer, _ name: String, _ has: (String, String) -> Bool
  ) throws -> JinjaValue {
    let places = try arguments.places(name, 1...3)
    let (text, _) = try window(value, Array(places.dropFirst()), renderer)
    let affixes: [JinjaValue]
    if case .tuple(let list) = places[0] { affixes = list.elements } else { affixes = [places[0]] }
    for affix in affixes {
      guard let affix = affix.text else {
        throw JinjaFailure("\(name) first arg must be str or a tuple of str, not \(affix.typeName)")
      }
      if let text, has(text, affix) { return .bool(true) }
    }
    return .bool(false)
  }

  private static func place(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer, _ name: String, fromEnd: Bool
  ) throws -> Int? {
    let (text, part, start) = try window(value, arguments, renderer, name)
    guard let text else { return nil }
    if part.isEmpty { return start + (fromEnd ? text.unicodeScalars.count : 0) }
    guard let offset = try offsets(of: part, in: text, most: 1, renderer, fromEnd: fromEnd).first else { return nil }
    return start + String(bytes: text.utf8.prefix(offset)).unicodeScalars.count
  }
}
