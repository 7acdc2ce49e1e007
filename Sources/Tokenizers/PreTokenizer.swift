/// The second step of encoding: text in, the words that the model splits on their own out.
enum PreTokenizer: Sendable {
  case bert
  case byteLevel(ByteLevel)
  case sequence([PreTokenizer])

  /// The words of `text`; none is empty.
  func words(in text: ArraySlice<Unicode.Scalar>) -> [ArraySlice<Unicode.Scalar>] {
    switch self {
    case .bert: bertWords(in: text)
    case .byteLevel(let byteLevel): byteLevel.words(in: text)
    case .sequence(let steps):
      steps.reduce([text]) { words, step in words.flatMap { step.words(in: $0) } }.filter { !$0.isEmpty }
    }
  }
}

extension PreTokenizer {
  /// The types in tokenizer.json that are supported.
  static let types = ["BertPreTokenizer", "ByteLevel", "Sequence"]

  /// Reads a `pre_tokenizer` of tokenizer.json.
  init(_ field: Field) throws {
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
    case "Sequence":
      known.append("pretokenizers")
      self = .sequence(try field.member("pretokenizers").elements().map { try PreTokenizer($0) })
      // Each step would write every byte of the one before as two.
      if byteLevels > 1 {
        throw TokenizerError.unsupported(field.place, value: "a second ByteLevel", supported: ["one ByteLevel"])
      }
    case let other: throw TokenizerError.unsupported(type.place, value: other, supported: Self.types)
    }
    try field.refuseOtherMembers(than: known)
  }

  /// How many steps are `byteLevel`.
  private var byteLevels: Int {
    switch self {
    case .bert: 0
    case .byteLevel: 1
    case .sequence(let steps): steps.reduce(0) { $0 + $1.byteLevels }
    }
  }
}

/// Splits at white space, which goes, and around every punctuation mark, which stays.
private func bertWords(in text: ArraySlice<Unicode.Scalar>) -> [ArraySlice<Unicode.Scalar>] {
  var words: [ArraySlice<Unicode.Scalar>] = []
  var start = text.startIndex
  for index in text.indices {
    let isPunctuation = text[index].isBertPunctuation
    guard isPunctuation || text[index].isSpace else { continue }
    if start < index { words.append(text[start..<index]) }
    if isPunctuation { words.append(text[index...index]) }
    start = index + 1
  }
  if start < text.endIndex { words.append(text[start...]) }
  return words
}
