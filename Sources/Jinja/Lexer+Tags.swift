extension Lexer {
  // MARK: - Inside of tags

  mutating func readTag(_ begin: Token.Kind, _ end: Token.Kind, at start: Int) throws {
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
}
