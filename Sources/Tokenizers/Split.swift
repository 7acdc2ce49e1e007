import Algorithms
import StrictJSON

/// The pre-tokenizer that splits at the matches of a pattern.
struct Split: Sendable {
  /// What to split at.
  enum Pattern: Sendable {
    case text([Unicode.Scalar])
    case words(WordPattern)
    /// Digits and other numbers of any script.
    case number
    /// ASCII symbols and all punctuation.
    case punctuation
  }

  /// What to do with the matches.
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
    words.replaceRanges { word, pieces in
      for range in cut(matches(in: word)) { pieces.append(range) }
    }
  }

  /// A part of a word.
  private struct Stretch {
    var range: Range<Int>
    var isMatch: Bool
  }

  /// The matches in `word` and the parts between them.
  private func matches(in word: ArraySlice<Unicode.Scalar>) -> [Stretch] {
    var stretches: [Stretch] = []
    var start = word.startIndex, position = word.startIndex
    while position < word.endIndex {
      guard let end = endOfMatch(in: word, from: position) else {
        position += 1
        continue
      }
      if start < position { stretches.append(Stretch(range: start..<position, isMatch: isInverted)) }
      stretches.append(Stretch(range: position..<end, isMatch: !isInverted))
      (start, position) = (end, end)
    }
    if start < word.endIndex { stretches.append(Stretch(range: start..<word.endIndex, isMatch: isInverted)) }
    return stretches
  }

  private func endOfMatch(in word: ArraySlice<Unicode.Scalar>, from start: Int) -> Int? {
    switch pattern {
    case .text(let text):
      !text.isEmpty && word[start...].starts(with: text) ? start + text.count : nil
    case .words(let pattern): pattern.end(in: word, from: start)
    case .number: word[start].isNumeric ? start + 1 : nil
    case .punctuation: word[start].isBertPunctuation ? start + 1 : nil
    }
  }

  private func cut(_ stretches: [Stretch]) -> [Range<Int>] {
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
  /// Reads `Split` of tokenizer.json.
  init(_ field: JSONField) throws {
    let pattern = try field.member("pattern")
    try pattern.requireOnly(["String", "Regex"])
    let behavior = try field.member("behavior")
    self.init(
      pattern: try Self.pattern(pattern), behavior: try Self.behavior(behavior),
      isInverted: try field.optional("invert")?.bool() ?? false)
  }

  private static func pattern(_ field: JSONField) throws -> Pattern {
    if let text = try field.optional("String") { return .text(Array(try text.string().unicodeScalars)) }
    let expression = try field.member("Regex")
    guard let known = WordPattern(try expression.string()) else {
      throw expression.unsupported("the pattern \(try expression.string())", WordPattern.expressions)
    }
    return .words(known)
  }

  /// Reads a behavior; the default is `Isolated`.
  static func behavior(_ field: JSONField?) throws -> Behavior {
    try field?.choice() ?? .isolated
  }
}
