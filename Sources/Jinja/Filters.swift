/// The filters, by their names.
enum Filters {
  static let all: [String: Operation] =
    texts.merging(numbers) { $1 }.merging(lists) { $1 }.merging(choosing) { $1 }

  /// jinja2's filters that are not here, with the reason.
  static let refused: [String: String] = [
    "pprint": "is not available here; use tojson", "random": "would give other texts in another run",
    "striptags": "is for HTML", "urlize": "is for HTML", "xmlattr": "is for HTML",
    "urlencode": "is not available here", "wordwrap": "is not available here",
  ]

  private static let texts: [String: Operation] = [
    "default": { try standard($0, $1, $2) },
    "d": { try standard($0, $1, $2) },
    "string": { value, arguments, renderer in
      try arguments.requireNone("string")
      return value.text == nil ? .string(try renderer.text(value)) : value
    },
    "upper": { try mapped($0, $1, $2, "upper", StringMethods.upper) },
    "lower": { try mapped($0, $1, $2, "lower", StringMethods.lower) },
    "capitalize": { try mapped($0, $1, $2, "capitalize", StringMethods.capitalized) },
    "title": { try mapped($0, $1, $2, "title", title) },
    "trim": { value, arguments, renderer in
      let characters = try arguments.bound("trim", ["chars"])[0] ?? .none
      let text = renderer.same(as: value, try renderer.text(value))
      let strip = StringMethods.all["strip"]
      return try strip?(text, Arguments(positional: [characters]), renderer) ?? text
    },
    "replace": { value, arguments, renderer in
      let bound = try arguments.bound("replace", ["old", "new", "count"], required: 2)
      var most = -1
      if let count = bound[2], !count.isNone { most = try StringMethods.integer(count) }
      let old = try renderer.text(bound[0] ?? .none), new = try renderer.text(bound[1] ?? .none)
      return .string(
        try renderer.replaced(renderer.text(value), old, new, most: most < 0 ? .max : most))
    },
    "join": { value, arguments, renderer in
      let bound = try arguments.bound("join", ["d", "attribute"])
      let separator = try renderer.text(bound[0] ?? .string(""))
      let cursor = try renderer.cursor(value)
      let attribute = bound[1].flatMap { $0.isNone ? nil : $0 }.map(AttributePath.init)
      var joined = "", isFirst = true
      while let element = try cursor.next() {
        let part = try renderer.text(attribute?.value(of: element, renderer) ?? element)
        try renderer.spend(bytes: part.utf8.count + separator.utf8.count)
        try renderer.check(length: joined.utf8.count + part.utf8.count + separator.utf8.count)
        if !isFirst { joined += separator }
        joined += part
        isFirst = false
      }
      return .string(joined)
    },
    "format": { value, arguments, renderer in
      guard arguments.positional.isEmpty || arguments.named.isEmpty else {
        throw JinjaFailure("can't handle positional and keyword arguments at the same time")
      }
      let text = renderer.same(as: value, try renderer.text(value))
      let values =
        arguments.named.isEmpty
        ? JinjaValue.tuple(JinjaList(arguments.positional)) : .members(arguments.named.map { ($0.name, $0.value) })
      return try renderer.formatted(text, with: values)
    },
    "center": { value, arguments, renderer in
      let width = try arguments.bound("center", ["width"])[0].map(StringMethods.integer) ?? 80
      let text = try renderer.text(value)
      return renderer.same(as: value, try renderer.padded(text, width: width, fill: " ", "center"))
    },
    "indent": { try indent($0, $1, $2) },
    "truncate": { try truncate($0, $1, $2) },
    "wordcount": { value, arguments, renderer in
      try arguments.requireNone("wordcount")
      let text = try renderer.text(value)
      try renderer.spend(text.utf8.count)
      var words = 0, isInWord = false
      for scalar in text.unicodeScalars {
        let isWord = scalar == "_" || scalar.isPythonAlphanumeric
        if isWord, !isInWord { words += 1 }
        isInWord = isWord
      }
      return .integer(words)
    },
    "safe": { value, arguments, renderer in
      try arguments.requireNone("safe")
      return .markup(try renderer.text(value))
    },
    "escape": { try escape($0, $1, $2) },
    "e": { try escape($0, $1, $2) },
    "forceescape": { value, arguments, renderer in
      try arguments.requireNone("forceescape")
      return .markup(try renderer.escaped(renderer.text(value)))
    },
    "tojson": { try JSONText.filter($0, $1, $2) },
  ]

  private static func standard(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer
  ) throws -> JinjaValue {
    let bound = try arguments.bound("default", ["default_value", "boolean"])
    let isWanted = try bound[1].map(renderer.isTrue) ?? false
    let replaces = try value.isUndefined || (isWanted && !renderer.isTrue(value))
    return replaces ? bound[0] ?? .string("") : value
  }

  private static func mapped(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer, _ name: String, _ map: (String) -> String
  ) throws -> JinjaValue {
    try arguments.requireNone(name)
    return renderer.same(as: value, try renderer.mapped(renderer.text(value), map))
  }

  /// Every word with a capital; words start after spaces, hyphens and opening brackets.
  private static func title(_ text: String) -> String {
    var title = "", word = ""
    func isBreak(_ scalar: Unicode.Scalar) -> Bool {
      scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar)
    }
    func end() {
      guard let first = word.unicodeScalars.first else { return }
      title += StringMethods.upper(String(first))
      title += StringMethods.lower(String(String.UnicodeScalarView(word.unicodeScalars.dropFirst())))
      word = ""
    }
    for scalar in text.unicodeScalars {
      if isBreak(scalar) {
        end()
        title.unicodeScalars.append(scalar)
      } else {
        word.unicodeScalars.append(scalar)
      }
    }
    end()
    return title
  }

  private static func escape(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer
  ) throws -> JinjaValue {
    try arguments.requireNone("escape")
    if case .markup = value { return value }
    return .markup(try renderer.escaped(renderer.text(value)))
  }

  private static func indent(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer
  ) throws -> JinjaValue {
    let bound = try arguments.bound("indent", ["width", "first", "blank"])
    let indentation: String
    if let text = bound[0]?.text {
      indentation = text
    } else {
      indentation = try renderer.repeated(" ", max(0, bound[0].map(StringMethods.integer) ?? 4))
    }
    let isFirst = try bound[1].map(renderer.isTrue) ?? false, isBlank = try bound[2].map(renderer.isTrue) ?? false
    guard let text = value.text else {
      _ = try renderer.compute(.add, value, .string("\n"))
      throw JinjaFailure("indent needs a text, not \(value.typeName)")
    }
    try renderer.spend(text.utf8.count)
    var indented = isFirst ? indentation : ""
    for (position, line) in StringMethods.lines(text + "\n", keepEnds: false).enumerated() {
      if position > 0 { indented += isBlank || !line.isEmpty ? "\n" + indentation : "\n" }
      indented += line
      try renderer.spend(bytes: indentation.utf8.count)
      try renderer.check(length: indented.utf8.count)
    }
    return renderer.same(as: value, indented)
  }

  private static func truncate(
    _ value: JinjaValue, _ arguments: Arguments, _ renderer: Renderer
  ) throws -> JinjaValue {
    let bound = try arguments.bound("truncate", ["length", "killwords", "end", "leeway"])
    let length = try bound[0].map(StringMethods.integer) ?? 255
    let cutsWords = try bound[1].map(renderer.isTrue) ?? false
    let end = try bound[2].map { try StringMethods.string($0, "truncate") } ?? "..."
    var leeway = 5
    if let value = bound[3], !value.isNone { leeway = try StringMethods.integer(value) }
    guard length >= end.unicodeScalars.count else {
      throw JinjaFailure("expected length >= \(end.unicodeScalars.count), got \(length)")
    }
    guard leeway >= 0 else { throw JinjaFailure("expected leeway >= 0, got \(leeway)") }
    guard let text = value.text else {
      guard let count = try renderer.count(value) else {
        throw JinjaFailure("object of type '\(value.typeName)' has no len()")
      }
      if count <= length || count - length <= leeway { return value }
      throw JinjaFailure("truncate needs a text, not \(value.typeName)")
    }
    try renderer.spend(bytes: text.utf8.count)
    let count = text.unicodeScalars.count
    if count <= length || count - length <= leeway { return value }
    let start = text.codePoints(0..<(length - end.unicodeScalars.count))
    if cutsWords { return renderer.same(as: value, start + end) }
    let words = start.unicodeScalars.lastIndex(of: " ").map { String(start.unicodeScalars[..<$0]) } ?? start
    return renderer.same(as: value, words + end)
  }
}
