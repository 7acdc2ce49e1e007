/// Cuts a template into tokens, as jinja2 does with `trim_blocks` and `lstrip_blocks`: the line feed after a block tag
/// and the spaces before one at the start of a line are left out.
struct Lexer {
  private let source: [Unicode.Scalar]
  private var position = 0
  private var line = 1
  private var tokens: [Token] = []
  /// Whether what was read last ended with a line feed.
  private var isLineStart = true

  /// The tokens of `source`.
  static func tokens(_ source: String) throws -> [Token] {
    var lexer = Lexer(source)
    try lexer.readAll()
    return lexer.tokens
  }

  /// All line ends become line feeds; one at the end of the template is left out.
  private init(_ source: String) {
    var scalars = Lexer.withLineFeeds(source.unicodeScalars)
    if scalars.last == "\n" { scalars.removeLast() }
    self.source = scalars
  }

  private static func withLineFeeds(_ text: some Sequence<Unicode.Scalar>) -> [Unicode.Scalar] {
    var scalars: [Unicode.Scalar] = []
    var afterReturn = false
    for scalar in text {
      if scalar == "\r" {
        scalars.append("\n")
      } else if scalar != "\n" || !afterReturn {
        scalars.append(scalar)
      }
      afterReturn = scalar == "\r"
    }
    return scalars
  }

  // MARK: - Between the tags

  private mutating func readAll() throws {
    while position < source.count {
      guard let tag = nextTag() else {
        add(data: source[position...])
        break
      }
      var text = source[position..<tag]
      let sign = peek(at: tag + 2).flatMap { $0 == "-" || $0 == "+" ? $0 : nil }
      let opener = source[tag + 1]
      let lines = text.count { $0 == "\n" }
      if sign == "-" {
        while text.last?.isPythonSpace == true { text.removeLast() }
      } else if sign != "+", opener != "{" {
        stripLine(&text)
      }
      add(data: text)
      line += lines
      let start = tag
      position = tag + (sign == nil ? 2 : 3)
      isLineStart = false
      switch opener {
      case "{": try readTag(.variableBegin, .variableEnd, at: start)
      case "#": try skipComment()
      default:
        if let end = rawBegin(from: position) {
          countLines(start..<end)
          position = end
          try readRaw()
        } else {
          try readTag(.blockBegin, .blockEnd, at: start)
        }
      }
    }
    tokens.append(Token(kind: .end, line: line))
  }

  /// Where the next `{{`, `{%` or `{#` is.
  private func nextTag() -> Int? {
    var place = position
    while place + 1 < source.count {
      if source[place] == "{", source[place + 1] == "{" || source[place + 1] == "%" || source[place + 1] == "#" {
        return place
      }
      place += 1
    }
    return nil
  }

  /// Leaves out the spaces between the start of a line and a tag.
  private func stripLine(_ text: inout ArraySlice<Unicode.Scalar>) {
    let lineStart = text.lastIndex(of: "\n").map { $0 + 1 } ?? text.startIndex
    if (lineStart > text.startIndex || isLineStart) && text[lineStart...].allSatisfy(\.isPythonSpace) {
      text = text[..<lineStart]
    }
  }

  private mutating func add(data: some Collection<Unicode.Scalar>) {
    guard !data.isEmpty else { return }
    var text = String.UnicodeScalarView()
    text.append(contentsOf: data)
    tokens.append(Token(kind: .data(String(text)), line: line))
  }

  private mutating func skipComment() throws {
    let start = line, first = position
    while position + 1 < source.count {
      if source[position] == "#", source[position + 1] == "}" {
        let sign = position > first ? source[position - 1] : nil
        position += 2
        closeTag(sign: sign)
        return
      }
      advance()
    }
    // jinja2 does not miss the end of a comment in which there is nothing.
    if first == source.count { return }
    throw JinjaFailure("Missing end of comment tag", kind: .syntax, line: start)
  }

  /// Skips what follows a tag's end: all space after a minus, the line feed unless there is a plus.
  private mutating func closeTag(sign: Unicode.Scalar?, trimsLine: Bool = true) {
    let end = position
    if sign == "-" {
      while peek(at: position)?.isPythonSpace == true { advance() }
    } else if sign != "+", trimsLine, peek(at: position) == "\n" {
      advance()
    }
    isLineStart = position > end && source[position - 1] == "\n"
  }

  // MARK: - Raw text

  /// Where the text begins, if this is a `raw` tag; `place` is after `{%` and its sign.
  private func rawBegin(from place: Int) -> Int? {
    guard var place = word("raw", at: place) else { return nil }
    if peek(at: place) == "-" {
      guard isTagEnd(place + 1) else { return nil }
      place += 3
      while peek(at: place)?.isPythonSpace == true { place += 1 }
      return place
    }
    return isTagEnd(place) ? place + 2 : nil
  }

  /// The place after `text` with any space around it.
  private func word(_ text: String, at place: Int) -> Int? {
    var place = place
    while peek(at: place)?.isPythonSpace == true { place += 1 }
    for scalar in text.unicodeScalars {
      guard peek(at: place) == scalar else { return nil }
      place += 1
    }
    while peek(at: place)?.isPythonSpace == true { place += 1 }
    return place
  }

  private func isTagEnd(_ place: Int) -> Bool { peek(at: place) == "%" && peek(at: place + 1) == "}" }

  private mutating func readRaw() throws {
    isLineStart = position > 0 && source[position - 1] == "\n"
    var place = position
    while place + 1 < source.count {
      if source[place] == "{", source[place + 1] == "%" {
        var after = place + 2
        let sign = peek(at: after).flatMap { $0 == "-" || $0 == "+" ? $0 : nil }
        if sign != nil { after += 1 }
        if var end = word("endraw", at: after) {
          let closing = peek(at: end).flatMap { $0 == "-" || $0 == "+" ? $0 : nil }
          if closing != nil { end += 1 }
          if isTagEnd(end) {
            var text = source[position..<place]
            if sign == "-" {
              while text.last?.isPythonSpace == true { text.removeLast() }
            } else if sign != "+" {
              stripLine(&text)
            }
            add(data: text)
            countLines(position..<(end + 2))
            position = end + 2
            closeTag(sign: closing)
            return
          }
        }
      }
      place += 1
    }
    if position == source.count { return }
    throw JinjaFailure("Missing end of raw directive", kind: .syntax, line: line)
  }

  // MARK: - Inside of tags

  private mutating func readTag(_ begin: Token.Kind, _ end: Token.Kind, at start: Int) throws {
    tokens.append(Token(kind: begin, line: line))
    let closing: Unicode.Scalar = end == .blockEnd ? "%" : "}"
    var open: [Symbol] = []
    while position < source.count {
      if open.isEmpty, let sign = tagEnd(closing) {
        tokens.append(Token(kind: end, line: line))
        position += sign == nil ? 2 : 3
        closeTag(sign: sign, trimsLine: end == .blockEnd)
        return
      }
      try readToken(&open)
    }
  }

  /// The sign of the tag's end that stands here (nil inside of the optional for none), or nil.
  private func tagEnd(_ closing: Unicode.Scalar) -> Unicode.Scalar?? {
    func isEnd(_ place: Int) -> Bool { peek(at: place) == closing && peek(at: place + 1) == "}" }
    let scalar = source[position]
    if isEnd(position) { return .some(nil) }
    if scalar == "-" || (scalar == "+" && closing == "%"), isEnd(position + 1) { return .some(scalar) }
    return nil
  }

  private mutating func readToken(_ open: inout [Symbol]) throws {
    let scalar = source[position]
    if scalar.isPythonSpace {
      advance()
    } else if scalar.isDigit {
      try readNumber()
    } else if scalar == "_" || scalar.isPythonAlphanumeric || scalar.properties.isXIDContinue {
      try readName()
    } else if scalar == "\"" || scalar == "'" {
      try readString(scalar)
    } else {
      try readSymbol(&open)
    }
  }

  private mutating func readName() throws {
    let start = position
    while let scalar = peek(at: position),
      scalar == "_" || scalar.isPythonAlphanumeric || scalar.properties.isXIDContinue
    {
      position += 1
    }
    let scalars = source[start..<position]
    guard scalars.allSatisfy({ $0 == "_" || $0.properties.isXIDContinue }),
      scalars.first.map({ $0 == "_" || $0.properties.isXIDStart }) == true
    else { throw JinjaFailure("Invalid character in identifier", kind: .syntax, line: line) }
    tokens.append(Token(kind: .name(text(scalars)), line: line))
  }

  private mutating func readSymbol(_ open: inout [Symbol]) throws {
    let pair = text(source[position..<min(position + 2, source.count)])
    guard let symbol = Symbol(rawValue: pair) ?? Symbol(rawValue: text([source[position]])) else {
      throw JinjaFailure(
        "unexpected char \(PythonText.quoted(text([source[position]]))) at \(position)", kind: .syntax, line: line)
    }
    if symbol.closing != nil {
      open.append(symbol)
    } else if symbol == .closeBracket || symbol == .closeParenthesis || symbol == .closeBrace {
      guard let last = open.popLast() else {
        throw JinjaFailure("unexpected '\(symbol.rawValue)'", kind: .syntax, line: line)
      }
      if let expected = last.closing, expected != symbol {
        throw JinjaFailure(
          "unexpected '\(symbol.rawValue)', expected '\(expected.rawValue)'", kind: .syntax, line: line)
      }
    }
    tokens.append(Token(kind: .symbol(symbol), line: line))
    position += symbol.rawValue.utf8.count
  }

  private mutating func readString(_ quote: Unicode.Scalar) throws {
    var place = position + 1
    while let scalar = peek(at: place), scalar != quote { place += scalar == "\\" ? 2 : 1 }
    guard place < source.count else {
      throw JinjaFailure(
        "unexpected char \(PythonText.quoted(text([quote]))) at \(position)", kind: .syntax, line: line)
    }
    let inner = source[(position + 1)..<place]
    let value = try at(line) { try StringLiteral.value(Array(inner)) }
    tokens.append(Token(kind: .string(value), line: line))
    countLines(position..<place)
    position = place + 1
  }

  private mutating func readNumber() throws {
    let literal = NumberLiteral(source[position...])
    tokens.append(Token(kind: try at(line) { try literal.kind() }, line: line))
    position += literal.count
  }

  // MARK: -

  private func peek(at place: Int) -> Unicode.Scalar? { place < source.count ? source[place] : nil }

  private mutating func advance() {
    if source[position] == "\n" { line += 1 }
    position += 1
  }

  private mutating func countLines(_ range: Range<Int>) { line += source[range].count { $0 == "\n" } }

  private func text(_ scalars: some Collection<Unicode.Scalar>) -> String {
    var text = String.UnicodeScalarView()
    text.append(contentsOf: scalars)
    return String(text)
  }
}

extension Unicode.Scalar {
  var isDigit: Bool { "0"..."9" ~= self }
}
