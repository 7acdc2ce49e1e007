/// Cuts a template into tokens, as jinja2 does with `trim_blocks` and `lstrip_blocks`: the line feed after a block tag
/// and the spaces before one at the start of a line are left out.
struct Lexer {
  let source: [Unicode.Scalar]
  var position = 0
  var line = 1
  var tokens: [Token] = []
  /// Whether what was read last ended with a line feed.
  var isLineStart = true

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
  func stripLine(_ text: inout ArraySlice<Unicode.Scalar>) {
    let lineStart = text.lastIndex(of: "\n").map { $0 + 1 } ?? text.startIndex
    if (lineStart > text.startIndex || isLineStart) && text[lineStart...].allSatisfy(\.isPythonSpace) {
      text = text[..<lineStart]
    }
  }

  mutating func add(data: some Collection<Unicode.Scalar>) {
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
  mutating func closeTag(sign: Unicode.Scalar?, trimsLine: Bool = true) {
    let end = position
    if sign == "-" {
      while peek(at: position)?.isPythonSpace == true { advance() }
    } else if sign != "+", trimsLine, peek(at: position) == "\n" {
      advance()
    }
    isLineStart = position > end && source[position - 1] == "\n"
  }

  // MARK: - Places

  func peek(at place: Int) -> Unicode.Scalar? { place < source.count ? source[place] : nil }

  mutating func advance() {
    if source[position] == "\n" { line += 1 }
    position += 1
  }

  mutating func countLines(_ range: Range<Int>) { line += source[range].count { $0 == "\n" } }

  func text(_ scalars: some Collection<Unicode.Scalar>) -> String {
    var text = String.UnicodeScalarView()
    text.append(contentsOf: scalars)
    return String(text)
  }
}

extension Unicode.Scalar {
  var isDigit: Bool { "0"..."9" ~= self }
}
