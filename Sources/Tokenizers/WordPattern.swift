/// The regular expressions by which known tokenizers split text, written as scanners.
///
/// As in Oniguruma, which `tokenizers` uses, `\s`, `\p{L}` and `\p{N}` are Unicode's. Each expression matches at every
/// position, so the words cover the text.
enum WordPattern: Sendable, Equatable {
  case gpt2
  /// GPT-4 and LLaMA 3 (three digits), Qwen2 (one).
  case gpt4(maximumDigits: Int)

  /// The scanner for a regular expression, or nil if it is not known.
  init?(_ expression: String) {
    switch expression {
    case Self.gpt2Expression: self = .gpt2
    case Self.gpt4Expression(digits: #"\p{N}{1,3}"#): self = .gpt4(maximumDigits: 3)
    case Self.gpt4Expression(digits: #"\p{N}"#): self = .gpt4(maximumDigits: 1)
    default: return nil
    }
  }

  /// The known expressions.
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
