/// mteval-13a's tokens, which sacrebleu calls `13a`.
///
/// The original is a row of regular expressions; each becomes one pass here, since their matches do not overlap.
public func mtevalTokens(_ text: String, lowercased: Bool) -> [String] {
  var text = Array((lowercased ? text.lowercased() : text).unicodeScalars)
  let replacements = [
    ("<skipped>", ""), ("-\n", ""), ("\n", " "), ("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"),
  ]
  for (pattern, other) in replacements where text.contains(pattern.unicodeScalars.first ?? " ") {
    text.replace(pattern.unicodeScalars, with: other.unicodeScalars)
  }
  text = [" "] + text + [" "]
  // Symbols but ' , - . stand alone.
  var spaced: [Unicode.Scalar] = []
  for scalar in text { spaced += isolates(scalar) ? [" ", scalar, " "] : [scalar] }
  // A period or comma stands alone unless it is between digits.
  spaced = pass(spaced, where: { !isDigit($0) && isStop($1) }, write: { [$0, " ", $1, " "] })
  spaced = pass(spaced, where: { isStop($0) && !isDigit($1) }, write: { [" ", $0, " ", $1] })
  // So does a dash after a digit.
  spaced = pass(spaced, where: { isDigit($0) && $1 == "-" }, write: { [$0, " ", $1, " "] })
  return spaced.split { $0.properties.isWhitespace }.map { String(String.UnicodeScalarView($0)) }
}

/// Writes spaces around one of two neighbours, from the left; matches do not overlap.
private func pass(
  _ text: [Unicode.Scalar], where matches: (Unicode.Scalar, Unicode.Scalar) -> Bool,
  write: (Unicode.Scalar, Unicode.Scalar) -> [Unicode.Scalar]
) -> [Unicode.Scalar] {
  var result: [Unicode.Scalar] = [], rest = text[...]
  result.reserveCapacity(text.count * 2)
  while let first = rest.popFirst() {
    if let second = rest.first, matches(first, second) {
      result += write(first, second)
      rest.removeFirst()
    } else {
      result.append(first)
    }
  }
  return result
}

private func isDigit(_ scalar: Unicode.Scalar) -> Bool { (0x30...0x39).contains(scalar.value) }

private func isStop(_ scalar: Unicode.Scalar) -> Bool { scalar == "." || scalar == "," }

/// `[\{-\~\[-\` -\&\(-\+\:-\@\/]`.
private func isolates(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0x7B...0x7E, 0x5B...0x60, 0x20...0x26, 0x28...0x2B, 0x3A...0x40, 0x2F: true
  default: false
  }
}

/// The words that the caption metrics compare: in lower case, contractions cut as in the Penn Treebank, punctuation
/// dropped.
///
/// The E2E scripts call Stanford's PTBTokenizer here. This follows its rules for plain English; of the 51,426 references
/// of the E2E data set it cuts four differently.
public func captionWords(_ text: String) -> [String] {
  let scalars = text.lowercased().unicodeScalars.map { scalar -> Unicode.Scalar in
    switch scalar {
    case "\u{2018}", "\u{2019}": "'"
    case "£": "#"
    default: scalar
    }
  }
  var words: [String] = []
  for run in scalars.split(whereSeparator: { $0.properties.isWhitespace }) { appendWords(of: Array(run), to: &words) }
  return words
}

private let endings = ["n't", "'s", "'re", "'ve", "'ll", "'m", "'d"]
private let abbreviations: Set = [
  "st", "rd", "ave", "blvd", "mr", "mrs", "ms", "dr", "prof", "jr", "sr", "etc", "vs",
]

private func appendWords(of run: [Unicode.Scalar], to words: inout [String]) {
  var start = 0
  // An ending that lost its word.
  if let ending = endings.dropFirst().first(where: { run.starts(with: $0.unicodeScalars) }),
    run.count == ending.unicodeScalars.count || !isWord(run[ending.unicodeScalars.count])
  {
    words.append(ending)
    start = ending.unicodeScalars.count
  }
  while start < run.count {
    var end = start
    // A dash that no word or dash stands before is a number's sign.
    if run[start] == "-", start + 1 < run.count, isDigit(run[start + 1]),
      start == 0 || (!isWord(run[start - 1]) && run[start - 1] != "-" && run[start - 1] != "_")
    {
      end += 1
    }
    guard isWord(run[end]) else {
      if !isDroppedPunctuation(run[start]) { words.append(String(run[start])) }
      start += 1
      continue
    }
    end += 1
    while end < run.count,
      isWord(run[end]) || (end + 1 < run.count && isWord(run[end + 1]) && joins(run, end))
    { end += 1 }
    if end < run.count, run[end] == ".", keepsPeriod(run, start..<end) { end += 1 }
    words += cutContraction(run[start..<end])
    start = end
  }
}

/// Whether the mark at `index` keeps what stands on its two sides together.
private func joins(_ run: [Unicode.Scalar], _ index: Int) -> Bool {
  switch run[index] {
  case "-", "'", "_": true
  case ".": isDigit(run[index + 1]) || !isDigit(run[index - 1])
  case ",", ":", "/": isDigit(run[index - 1]) && isDigit(run[index + 1])
  default: false
  }
}

/// Whether a period belongs to the word before it: an abbreviation, an initial, or not the sentence's end.
private func keepsPeriod(_ run: [Unicode.Scalar], _ word: Range<Int>) -> Bool {
  if word.upperBound + 1 < run.count, run[word.upperBound + 1] == "," { return true }
  if word.count == 1 { return run[word.lowerBound].properties.isAlphabetic }
  return abbreviations.contains(String(String.UnicodeScalarView(run[word])))
}

private func isWord(_ scalar: Unicode.Scalar) -> Bool {
  scalar.properties.isAlphabetic || scalar.properties.numericType != nil
    || scalar.properties.generalCategory == .nonspacingMark
}

private func isDroppedPunctuation(_ scalar: Unicode.Scalar) -> Bool {
  "'`\".?!,:-;()[]{}…–—".unicodeScalars.contains(scalar)
}

private func cutContraction(_ word: ArraySlice<Unicode.Scalar>) -> [String] {
  let text = String(String.UnicodeScalarView(word))
  for ending in endings where text.hasSuffix(ending) && text.count > ending.count {
    return [String(text.dropLast(ending.count)), ending]
  }
  return text == "cannot" ? ["can", "not"] : [text]
}
