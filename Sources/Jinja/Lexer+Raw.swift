extension Lexer {
  // MARK: - Raw text

  /// Where the text begins, if this is a `raw` tag; `place` is after `{%` and its sign.
  func rawBegin(from place: Int) -> Int? {
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

  mutating func readRaw() throws {
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
}
