import StrictJSON

/// The second step of encoding: splits text into the words that the model encodes one by one.
enum PreTokenizer: Sendable {
  case bert
  case byteLevel(ByteLevel)
  case metaspace(Metaspace)
  case split(Split)
  case sequence([PreTokenizer])

  /// Splits and rewrites `words`.
  ///
  /// - Parameter isStart: whether the first word begins the whole text.
  func apply(to words: inout Words, isStart: Bool) {
    switch self {
    case .bert: words.replaceRanges(bertWords)
    case .byteLevel(let byteLevel): byteLevel.apply(to: &words)
    case .metaspace(let metaspace): metaspace.apply(to: &words, isStart: isStart)
    case .split(let split): split.apply(to: &words)
    case .sequence(let steps):
      for step in steps { step.apply(to: &words, isStart: isStart) }
    }
  }
}

extension PreTokenizer {
  /// Supported types of tokenizer.json.
  static let types = [
    "BertPreTokenizer", "ByteLevel", "Metaspace", "Split", "Digits", "Punctuation", "Sequence",
  ]

  /// Reads `pre_tokenizer` of tokenizer.json.
  init(_ field: JSONField) throws {
    let type = try field.member("type")
    var known = ["type"]
    switch try type.string() {
    case "BertPreTokenizer": self = .bert
    case "ByteLevel":
      known += ["add_prefix_space", "trim_offsets", "use_regex"]
      self = .byteLevel(
        ByteLevel(
          addsPrefixSpace: try field.member("add_prefix_space").bool(),
          splitsWords: try field.optional("use_regex")?.bool() ?? true))
    case "Metaspace":
      known += Metaspace.members
      self = .metaspace(try Metaspace(field))
    case "Split":
      known += ["pattern", "behavior", "invert"]
      self = .split(try Split(field))
    case "Digits":
      known.append("individual_digits")
      let isolates = try field.optional("individual_digits")?.bool() ?? false
      self = .split(Split(pattern: .number, behavior: isolates ? .isolated : .contiguous))
    case "Punctuation":
      known.append("behavior")
      self = .split(Split(pattern: .punctuation, behavior: try Split.behavior(field.optional("behavior"))))
    case "Sequence":
      known.append("pretokenizers")
      self = .sequence(try field.member("pretokenizers").elements().map { try PreTokenizer($0) })
      // Each would turn every byte of the one before into two.
      if count(where: { if case .byteLevel = $0 { true } else { false } }) > 1 {
        throw field.unsupported("a second ByteLevel", ["one ByteLevel"])
      }
      // With a step between that splits off each prefix, the number of words would double every time.
      if count(where: { if case .metaspace = $0 { true } else { false } }) > 1 {
        throw field.unsupported("a second Metaspace", ["one Metaspace"])
      }
    case let other: throw type.unsupported(other, Self.types)
    }
    try field.requireOnly(known)
  }

  /// The number of steps of a kind.
  private func count(where isKind: (PreTokenizer) -> Bool) -> Int {
    guard case .sequence(let steps) = self else { return isKind(self) ? 1 : 0 }
    return steps.reduce(0) { $0 + $1.count(where: isKind) }
  }
}

/// Splits at white space, which is dropped, and around every punctuation mark.
private func bertWords(in text: ArraySlice<Unicode.Scalar>, into words: inout [Range<Int>]) {
  var start = text.startIndex
  for index in text.indices {
    let isPunctuation = text[index].isBertPunctuation
    guard isPunctuation || text[index].isSpace else { continue }
    if start < index { words.append(start..<index) }
    if isPunctuation { words.append(index..<(index + 1)) }
    start = index + 1
  }
  if start < text.endIndex { words.append(start..<text.endIndex) }
}
