import Algorithms
import StrictJSON

/// The pre-tokenizer that splits at the matches of a pattern.
struct Split: Sendable {
  enum Pattern: Sendable {
    case text([Unicode.Scalar])
    case words(WordPattern)
    case expression(RegularExpression)
    /// Digits and other numbers of any script.
    case number
    /// ASCII symbols and all punctuation.
    case punctuation
  }

  enum Behavior: String, Sendable, CaseIterable {
    case removed = "Removed"
    case isolated = "Isolated"
    case mergedWithPrevious = "MergedWithPrevious"
    case mergedWithNext = "MergedWithNext"
    case contiguous = "Contiguous"
  }

  var pattern: Pattern
  var behavior: Behavior
  /// Whether to split at everything that the pattern does not match.
  var isInverted = false

  func apply(to words: inout Words) {
    if case .words(let pattern) = pattern, behavior == .isolated, !isInverted {
      words.cut { pattern.end(in: $0, from: $1) }
      return
    }
    var pieces: [Range<Int>] = []
    pieces.reserveCapacity(max(words.ranges.count, words.scalars.count / 4))
    func cut(_ word: Range<Int>, at matches: [Range<Int>]) {
      if behavior == .isolated {
        var end = word.lowerBound
        for match in matches {
          if end < match.lowerBound { pieces.append(end..<match.lowerBound) }
          if !match.isEmpty { pieces.append(match) }
          end = match.upperBound
        }
        if end < word.upperBound { pieces.append(end..<word.upperBound) }
      } else {
        pieces += joined(stretches(of: word, matches)).filter { !$0.isEmpty }
      }
    }
    if case .expression(let expression) = pattern {
      expression.findMatches(in: words.scalars, words: words.ranges, cut)
    } else {
      for word in words.ranges { cut(word, at: matches(in: words.scalars[word])) }
    }
    words.ranges = pieces
  }

  private struct Stretch {
    var range: Range<Int>
    var isMatch: Bool
  }

  /// The matches and the parts between them.
  private func stretches(of word: Range<Int>, _ matches: [Range<Int>]) -> [Stretch] {
    var stretches: [Stretch] = []
    var start = word.lowerBound
    for match in matches {
      if start < match.lowerBound { stretches.append(Stretch(range: start..<match.lowerBound, isMatch: isInverted)) }
      stretches.append(Stretch(range: match, isMatch: !isInverted))
      start = match.upperBound
    }
    if start < word.upperBound { stretches.append(Stretch(range: start..<word.upperBound, isMatch: isInverted)) }
    return stretches
  }

  private func matches(in word: ArraySlice<Unicode.Scalar>) -> [Range<Int>] {
    var matches: [Range<Int>] = []
    var position = word.startIndex
    while position < word.endIndex {
      guard let end = endOfMatch(in: word, from: position) else {
        position += 1
        continue
      }
      matches.append(position..<end)
      position = end
    }
    return matches
  }

  private func endOfMatch(in word: ArraySlice<Unicode.Scalar>, from start: Int) -> Int? {
    switch pattern {
    case .text(let text):
      word[start...].starts(with: text) ? start + text.count : nil
    case .expression: nil
    case .words(let pattern): pattern.end(in: word, from: start)
    case .number: word[start].isNumeric ? start + 1 : nil
    case .punctuation: word[start].isBertPunctuation ? start + 1 : nil
    }
  }

  private func joined(_ stretches: [Stretch]) -> [Range<Int>] {
    let kept = behavior == .removed ? stretches.filter { !$0.isMatch } : stretches
    let words = kept.chunked { left, right in
      switch behavior {
      case .removed, .isolated: false
      case .contiguous: left.isMatch == right.isMatch
      case .mergedWithPrevious: !left.isMatch && right.isMatch
      case .mergedWithNext: left.isMatch && !right.isMatch
      }
    }
    return words.map { $0[$0.startIndex].range.lowerBound..<$0[$0.endIndex - 1].range.upperBound }
  }
}

extension Split {
  init(_ field: JSONField) throws {
    pattern = try Self.pattern(field.member("pattern"))
    behavior = try field.member("behavior").choice()
    isInverted = try field.flag("invert", or: false)
  }

  private static func pattern(_ field: JSONField) throws -> Pattern {
    try field.requireOnly(["String", "Regex"])
    if let text = try field.optional("String") {
      let scalars = try text.scalars()
      // An empty text is found between all scalars.
      return scalars.isEmpty ? .expression(try RegularExpression("", place: text.place)) : .text(scalars)
    }
    let regex = try field.member("Regex")
    return try WordPattern(regex.string()).map { .words($0) } ?? .expression(RegularExpression(regex))
  }
}

/// The regular expressions by which the most tokenizers split text, written as scanners.
///
/// As in Oniguruma, which `tokenizers` uses, `\s`, `\p{L}` and `\p{N}` are Unicode's. Each expression matches at every
/// position, so the words cover the text.
enum WordPattern: Sendable, Equatable {
  case gpt2
  /// GPT-4 and LLaMA 3 (three digits), Qwen2 (one).
  case gpt4(maximumDigits: Int)

  /// The scanner for a regular expression, or nil if it is not known.
  init?(_ expression: String) {
    guard let index = Self.expressions.firstIndex(of: expression) else { return nil }
    self = [.gpt2, .gpt4(maximumDigits: 3), .gpt4(maximumDigits: 1)][index]
  }

  static let expressions = [
    gpt2Expression, gpt4Expression(digits: #"\p{N}{1,3}"#), gpt4Expression(digits: #"\p{N}"#),
  ]

  private static let gpt2Expression =
    #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

  private static func gpt4Expression(digits: String) -> String {
    #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
      + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
  }

  /// The end of the match at `start`, which is before the end of `text`.
  func end(in text: ArraySlice<Unicode.Scalar>, from start: Int) -> Int {
    switch self {
    case .gpt2: Self.gpt2End(in: text, from: start)
    case .gpt4(let maximumDigits): Self.gpt4End(in: text, from: start, maximumDigits: maximumDigits)
    }
  }

  private static func gpt2End(in text: ArraySlice<Unicode.Scalar>, from start: Int) -> Int {
    if text[start] == "'", let end = endOfContraction(in: text, from: start, folding: { $0 }) { return end }
    let first = text[start] == " " && start + 1 < text.endIndex ? start + 1 : start
    let kind = ScalarKind(text[first])
    return kind == .space ? endOfSpaces(in: text, from: start) : endOfRun(of: kind, in: text, from: first + 1)
  }

  private static func gpt4End(in text: ArraySlice<Unicode.Scalar>, from start: Int, maximumDigits: Int) -> Int {
    let first = text[start], kind = ScalarKind(first)
    if first == "'", let end = endOfContraction(in: text, from: start, folding: \.caseFolded) { return end }
    if kind == .letter { return endOfRun(of: .letter, in: text, from: start + 1) }
    if kind == .number { return endOfRun(of: .number, in: text, from: start + 1, atMost: maximumDigits - 1) }
    let next = start + 1 < text.endIndex ? ScalarKind(text[start + 1]) : nil
    if next == .letter, !first.isLineEnd { return endOfRun(of: .letter, in: text, from: start + 2) }
    if kind == .other || (first == " " && next == .other) {
      var end = endOfRun(of: .other, in: text, from: start + 1)
      while end < text.endIndex, text[end].isLineEnd { end += 1 }
      return end
    }
    let end = endOfRun(of: .space, in: text, from: start + 1)
    if let last = text[start..<end].lastIndex(where: \.isLineEnd) { return last + 1 }
    return endOfSpaces(in: text, from: start)
  }

  private static func endOfRun(
    of kind: ScalarKind, in text: ArraySlice<Unicode.Scalar>, from start: Int, atMost count: Int = .max
  ) -> Int {
    var end = start
    let limit = count < text.endIndex - start ? start + count : text.endIndex
    while end < limit, ScalarKind(text[end]) == kind { end += 1 }
    return end
  }

  /// `\s+(?!\S)|\s+`: the last space belongs to the next word, unless it is the only one.
  private static func endOfSpaces(in text: ArraySlice<Unicode.Scalar>, from start: Int) -> Int {
    let end = endOfRun(of: .space, in: text, from: start + 1)
    return end == text.endIndex || end == start + 1 ? end : end - 1
  }

  private static func endOfContraction(
    in text: ArraySlice<Unicode.Scalar>, from start: Int, folding fold: (Unicode.Scalar) -> Unicode.Scalar
  ) -> Int? {
    guard start + 1 < text.endIndex else { return nil }
    let second = start + 2 < text.endIndex ? fold(text[start + 2]) : nil
    switch fold(text[start + 1]) {
    case "s", "t", "m", "d": return start + 2
    case "r", "v": return second == "e" ? start + 3 : nil
    case "l": return second == "l" ? start + 3 : nil
    default: return nil
    }
  }
}

extension Unicode.Scalar {
  fileprivate var isLineEnd: Bool { self == "\n" || self == "\r" }

  /// Without case, where `ſ` is an `s`.
  fileprivate var caseFolded: Unicode.Scalar { self == "ſ" ? "s" : asciiLowercased }
}
