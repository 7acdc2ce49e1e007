import Diagnostics

/// How long a chain of steps can make a text: `factor` times its scalars plus `added`.
///
/// A few dozen replacements of `a` by `aa` would fill the memory, since each doubles the text.
struct TextGrowth {
  private var factor = 1.0
  private var added = 0.0
  // Decomposing, lowercasing and spacing lengthen a text only once, unless a replacement comes between.
  private var decomposed = 1.0, lowercased = 1.0, spaced = 1.0
  private var hasRules = false

  /// Far above what real tokenizers need.
  private static let limits = (factor: 256.0, added: 4096.0)

  /// What `normalizer` can make of a text.
  init(_ normalizer: Normalizer) { normalize(normalizer) }

  /// What `decoder` can make of a token's text.
  init(_ decoder: TokenDecoder) { decode(decoder) }

  /// Throws if texts could grow beyond the limits.
  func check(_ place: FilePlace) throws {
    if factor <= Self.limits.factor, added <= Self.limits.added { return }
    throw TokenizerError.malformed(
      place,
      problem: "could make texts too long (\(factor) times plus \(added) characters; "
        + "at most \(Self.limits.factor) and \(Self.limits.added))")
  }

  private mutating func multiply(by more: Double) {
    factor *= more
    added *= more
  }

  private mutating func stretch(_ form: WritableKeyPath<Self, Double>, to most: Double) {
    guard most > self[keyPath: form] else { return }
    multiply(by: most / self[keyPath: form])
    self[keyPath: form] = most
  }

  private mutating func add(_ count: Int) {
    added += Double(count)
    (decomposed, lowercased, spaced) = (1, 1, 1)
  }

  private mutating func replace(_ count: Int, by new: Int) {
    guard count > 0 else { return }
    multiply(by: max(1, Double(new) / Double(count)))
    (decomposed, lowercased, spaced) = (1, 1, 1)
  }

  /// A match may be of one scalar, or of none, around every scalar.
  private mutating func replace(matchesOf expression: RegularExpression, by new: Int) {
    replace(1, by: expression.surelyTakesText ? new : new + 1)
    if !expression.surelyTakesText { add(new) }
  }

  private mutating func normalize(_ normalizer: Normalizer) {
    switch normalizer {
    case .bert:
      stretch(\.spaced, to: 3)
      stretch(\.decomposed, to: 4)
      stretch(\.lowercased, to: 3)
    case .form(.nfc), .form(.nfd): stretch(\.decomposed, to: 4)
    case .form(.nfkc), .form(.nfkd): stretch(\.decomposed, to: 18)
    case .lowercase: stretch(\.lowercased, to: 3)
    case .stripAccents, .strip, .nmt: break
    case .byteLevel: multiply(by: 4)
    // Such rules are a form of Unicode; a second set can undo what makes that so.
    case .precompiled(let rules) where !hasRules:
      stretch(\.decomposed, to: Double(rules.longestReplacement))
      hasRules = true
    case .precompiled(let rules): multiply(by: max(1, Double(rules.longestReplacement)))
    case .prepend(let prefix): add(prefix.count)
    case .replace(let pattern, let replacement): replace(pattern.count, by: replacement.count)
    case .replaceMatches(let expression, let replacement): replace(matchesOf: expression, by: replacement.count)
    case .sequence(let steps): for step in steps { normalize(step) }
    }
  }

  private mutating func decode(_ decoder: TokenDecoder) {
    switch decoder {
    case .spaced, .byteLevel, .metaspace, .byteFallback, .fuse, .strip: break
    case .repeats: break
    case .wordPiece: add(1)
    case .bytePairs(let suffix): replace(suffix.unicodeScalars.count, by: 1)
    case .replace(let pattern, let text): replace(pattern.unicodeScalars.count, by: text.unicodeScalars.count)
    case .replaceMatches(let expression, let text): replace(matchesOf: expression, by: text.unicodeScalars.count)
    case .sequence(let steps): for step in steps { decode(step) }
    }
  }
}
