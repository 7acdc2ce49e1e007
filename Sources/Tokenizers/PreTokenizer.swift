import StrictJSON

/// The second step of encoding: splits text into the words that the model encodes one by one.
enum PreTokenizer: Sendable {
  case bert
  /// Splits at white space, which is dropped.
  case whiteSpace
  /// Keeps runs of word scalars and of other scalars but white space.
  case wordRuns
  case fixedLength(Int)
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
    case .whiteSpace:
      words.replaceRanges { word, ranges in
        for run in word.split(whereSeparator: { $0.isSpace }) { ranges.append(run.startIndex..<run.endIndex) }
      }
    case .wordRuns: words.replaceRanges(runsOfWords)
    case .fixedLength(let length): words.cut { $1 + min(length, $0.endIndex - $1) }
    case .byteLevel(let byteLevel): byteLevel.apply(to: &words)
    case .metaspace(let metaspace): metaspace.apply(to: &words, isStart: isStart)
    case .split(let split): split.apply(to: &words)
    case .sequence(let steps):
      for step in steps { step.apply(to: &words, isStart: isStart) }
    }
  }
}

extension PreTokenizer {
  var expressions: [RegularExpression] {
    switch self {
    case .split(let split): if case .expression(let expression) = split.pattern { [expression] } else { [] }
    case .sequence(let steps): steps.flatMap(\.expressions)
    default: []
    }
  }

  private static let types: KeyValuePairs = [
    "BertPreTokenizer": [], "ByteLevel": ["add_prefix_space", "trim_offsets", "use_regex"],
    "Metaspace": Metaspace.members, "Split": ["pattern", "behavior", "invert"], "Digits": ["individual_digits"],
    "Punctuation": ["behavior"], "WhitespaceSplit": [], "Whitespace": [],
    "CharDelimiterSplit": ["delimiter"], "FixedLength": ["length"], "Sequence": ["pretokenizers"],
  ]

  /// Reads `pre_tokenizer` of tokenizer.json.
  init(_ field: JSONField) throws {
    switch try field.type(among: Self.types) {
    case "BertPreTokenizer": self = .bert
    case "WhitespaceSplit": self = .whiteSpace
    case "Whitespace": self = .wordRuns
    case "CharDelimiterSplit":
      self = .split(Split(pattern: .text([try field.member("delimiter").scalar()]), behavior: .removed))
    case "FixedLength": self = .fixedLength(try field.optional("length")?.integer(atLeast: 1) ?? 5)
    case "ByteLevel":
      self = .byteLevel(
        ByteLevel(
          addsPrefixSpace: try field.member("add_prefix_space").bool(),
          splitsWords: try field.flag("use_regex", or: true)))
    case "Metaspace": self = .metaspace(try Metaspace(field))
    case "Split": self = .split(try Split(field))
    case "Digits":
      let isolates = try field.flag("individual_digits", or: false)
      self = .split(Split(pattern: .number, behavior: isolates ? .isolated : .contiguous))
    case "Punctuation":
      self = .split(Split(pattern: .punctuation, behavior: try field.optional("behavior")?.choice() ?? .isolated))
    default:
      self = .sequence(try field.member("pretokenizers").elements().map { try PreTokenizer($0) })
      // Each would turn every byte of the one before into two.
      if count(where: { if case .byteLevel = $0 { true } else { false } }) > 1 {
        throw field.unsupported("a second ByteLevel", ["one ByteLevel"])
      }
      // With a step between that splits off each prefix, the number of words would double every time.
      if count(where: { if case .metaspace = $0 { true } else { false } }) > 1 {
        throw field.unsupported("a second Metaspace", ["one Metaspace"])
      }
    }
  }

  private func count(where isKind: (PreTokenizer) -> Bool) -> Int {
    guard case .sequence(let steps) = self else { return isKind(self) ? 1 : 0 }
    return steps.reduce(0) { $0 + $1.count(where: isKind) }
  }
}

/// `\w+|[^\w\s]+`.
private func runsOfWords(in text: ArraySlice<Unicode.Scalar>, into words: inout [Range<Int>]) {
  func isWord(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isASCII
      ? scalar == "_" || ScalarKind(scalar) == .letter || ScalarKind(scalar) == .number : scalar.isWordScalar
  }
  var start = text.startIndex
  while start < text.endIndex {
    if text[start].isSpace {
      start += 1
      continue
    }
    let kind = isWord(text[start])
    let end = text[start...].firstIndex { $0.isSpace || isWord($0) != kind } ?? text.endIndex
    words.append(start..<end)
    start = end
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

/// GPT-2's pre-tokenizer: splits words by a pattern and writes each UTF-8 byte as one printable scalar.
struct ByteLevel: Sendable {
  /// Put a space before each text that does not begin with one.
  var addsPrefixSpace: Bool
  var splitsWords: Bool

  func apply(to words: inout Words) {
    if addsPrefixSpace {
      words.rewrite { word, result in
        if word.first != " " { result.append(" ") }
        result.append(contentsOf: word)
      }
    }
    if splitsWords { words.cut { WordPattern.gpt2.end(in: $0, from: $1) } }
    words.rewrite(Self.write)
  }

  /// Appends the printable scalars of the bytes of `text`.
  static func write(_ text: ArraySlice<Unicode.Scalar>, to result: inout [Unicode.Scalar]) {
    for scalar in text {
      if scalar.value < 0x80 {
        result.append(alphabet[Int(scalar.value)])
      } else {
        for byte in UTF8.encode(scalar) ?? UTF8.EncodedScalar() { result.append(alphabet[Int(byte)]) }
      }
    }
  }

  /// The scalar of each byte: the byte itself if it is printable, otherwise one from U+0100 on.
  static let alphabet: [Unicode.Scalar] = {
    var scalars: [Unicode.Scalar] = []
    var next: UInt16 = 0x100
    for byte in UInt8.min...UInt8.max {
      let isPrintable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
      scalars.append(isPrintable ? Unicode.Scalar(byte) : Unicode.Scalar(next) ?? " ")
      if !isPrintable { next += 1 }
    }
    return scalars
  }()

  static func byte(of scalar: Unicode.Scalar) -> UInt8? {
    scalar.value < bytes.count ? bytes[Int(scalar.value)] : nil
  }

  private static let bytes: [UInt8?] = {
    var bytes = [UInt8?](repeating: nil, count: 0x180)
    for (byte, scalar) in alphabet.enumerated() { bytes[Int(scalar.value)] = UInt8(byte) }
    return bytes
  }()
}

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

  /// - Parameter isStart: whether the scalars begin the whole text.
  func apply(to words: inout Words, isStart: Bool) {
    words.rewrite { word, result in
      let isFirst = isStart && word.startIndex == 0
      if prefix == .always || (prefix == .first && isFirst), let first = word.first, first != " ", first != replacement
      {
        result.append(replacement)
      }
      for scalar in word { result.append(scalar == " " ? replacement : scalar) }
    }
    if splits {
      Split(pattern: .text([replacement]), behavior: .mergedWithNext).apply(to: &words)
    }
  }
}

extension Metaspace {
  /// Of both the pre-tokenizer and the decoder.
  static let members = ["replacement", "prepend_scheme", "split", "add_prefix_space", "str_rep", "_str_rep"]

  /// Reads `Metaspace` of tokenizer.json. Old files have `add_prefix_space` instead of `prepend_scheme`.
  init(_ field: JSONField) throws {
    replacement = try field.member("replacement").scalar()
    splits = try field.flag("split", or: true)
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

/// The words of a text in pre-tokenization: ranges of its scalars.
///
/// One array holds the whole text, so a step that only splits words copies no scalars.
struct Words: Sendable {
  var scalars: [Unicode.Scalar]
  /// The words from left to right; not empty, not overlapping.
  var ranges: [Range<Int>]

  /// `text` as one word.
  init(_ text: [Unicode.Scalar]) {
    scalars = text
    ranges = text.isEmpty ? [] : [0..<text.count]
  }

  /// Splits every word. `end` returns the end of the piece that begins at `start`, which must be beyond `start`.
  mutating func cut(end: (_ word: ArraySlice<Unicode.Scalar>, _ start: Int) -> Int) {
    var pieces: [Range<Int>] = []
    pieces.reserveCapacity(max(ranges.count, scalars.count / 4))
    for range in ranges {
      let word = scalars[range]
      var start = range.lowerBound
      while start < range.upperBound {
        let next = end(word, start)
        pieces.append(start..<next)
        start = next
      }
    }
    ranges = pieces
  }

  /// Replaces every word by the pieces that `pieces` appends.
  mutating func replaceRanges(_ pieces: (_ word: ArraySlice<Unicode.Scalar>, inout [Range<Int>]) -> Void) {
    var result: [Range<Int>] = []
    for range in ranges { pieces(scalars[range], &result) }
    ranges = result
  }

  /// Rewrites every word: `write` appends its replacement.
  mutating func rewrite(_ write: (ArraySlice<Unicode.Scalar>, inout [Unicode.Scalar]) -> Void) {
    var rewritten: [Unicode.Scalar] = []
    rewritten.reserveCapacity(scalars.count + scalars.count / 8)
    var kept: [Range<Int>] = []
    kept.reserveCapacity(ranges.count)
    for range in ranges {
      let start = rewritten.count
      write(scalars[range], &rewritten)
      if start < rewritten.count { kept.append(start..<rewritten.count) }
    }
    (scalars, ranges) = (rewritten, kept)
  }
}
