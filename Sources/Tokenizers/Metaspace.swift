import StrictJSON

/// The pre-tokenizer of SentencePiece models in tokenizer.json: replaces spaces by `▁` and puts one in front.
struct Metaspace: Sendable {
  /// Which words get a `▁` in front if they do not begin with one.
  enum Prefix: String, Sendable, CaseIterable {
    case always, never
    /// Only at the start of the text, not after an added token.
    case first
  }

  var replacement: Unicode.Scalar = "▁"
  var prefix = Prefix.always
  /// Whether words are split before every `▁`.
  var splits = true

  /// - Parameter isStart: whether the first word begins the whole text.
  func apply(to words: inout Words, isStart: Bool) {
    var isFirst = isStart
    words.rewrite { word, result in
      if prefix == .always || (prefix == .first && isFirst), let first = word.first, first != " ", first != replacement
      {
        result.append(replacement)
      }
      for scalar in word { result.append(scalar == " " ? replacement : scalar) }
      isFirst = false
    }
    if splits {
      Split(pattern: .text([replacement]), behavior: .mergedWithNext).apply(to: &words)
    }
  }
}

extension Metaspace {
  /// The members of `Metaspace` in tokenizer.json, both pre-tokenizer and decoder.
  static let members = ["replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep", "_str_rep"]

  /// Reads `Metaspace` of tokenizer.json. Old files have `add_prefix_space` instead of `prepend_scheme`.
  init(_ field: JSONField) throws {
    replacement = try field.member("replacement").scalar()
    splits = try field.optional("split")?.bool() ?? true
    let scheme = try field.optional("prepend_scheme")
    if let scheme { prefix = try scheme.choice() }
    if let adds = try field.optional("add_prefix_space"), try !adds.bool() {
      if scheme != nil, prefix != .never {
        throw adds.error("false contradicts prepend_scheme \(prefix.rawValue)")
      }
      prefix = .never
    }
  }
}
