import Algorithms
import Diagnostics
import StrictJSON

/// Byte-pair encoding: a word starts as single scalars; the neighbours whose merge has the lowest rank are merged,
/// leftmost first, until none is left.
///
/// A cache keeps the words encoded before.
struct BytePairEncoding: Model {
  let vocabulary: Vocabulary
  private let merges: MergeTable
  private let options: Options
  /// Ids of the scalars below U+0180; -1 if the vocabulary lacks one.
  private let singles: [Int32]
  private let cutsAtMarks: Bool
  private let cache = WordCache()

  struct Options: Sendable {
    /// The id of scalars outside the vocabulary, which are dropped if it is nil.
    var unknownID: Int32?
    /// Whether a run of unknown scalars is one token.
    var fusesUnknown = false
    /// The ids of the tokens `<0x00>` to `<0xFF>` (-1: missing), if scalars outside the vocabulary fall back to bytes.
    var byteIDs: [Int32]?
    /// Whether a word of the vocabulary is one token whatever the merges say.
    var ignoresMerges = false
    /// Put before every scalar but a word's first, to look it up.
    var prefix: [Unicode.Scalar] = []
    /// Put after a word's last scalar, to look it up.
    var suffix: [Unicode.Scalar] = []

    init() {}

    /// The options of a tokenizer class. Classes that fall back to bytes also fuse unknown scalars.
    init(_ vocabulary: Vocabulary, unknown: String?, fallsBackToBytes: Bool, place: FilePlace) throws {
      if let unknown {
        guard let id = vocabulary.id(unknown) else { throw TokenizerError.unknownToken(place, token: unknown) }
        unknownID = id
      }
      fusesUnknown = fallsBackToBytes || unknown != nil
      if fallsBackToBytes { byteIDs = vocabulary.byteIDs }
    }
  }

  init(vocabulary: Vocabulary, merges: MergeTable, options: Options) {
    self.vocabulary = vocabulary
    self.merges = merges
    self.options = options
    singles = (0..<0x180).map { value in Unicode.Scalar(UInt16(value)).flatMap { vocabulary.id([$0]) } ?? -1 }
    cutsAtMarks = !options.ignoresMerges && Self.canCutAtMarks(vocabulary, merges, options)
  }

  /// Whether no merge crosses the start of a run of `▁`. Then a text can be cut there, and its parts be cached.
  private static func canCutAtMarks(_ vocabulary: Vocabulary, _ merges: MergeTable, _ options: Options) -> Bool {
    guard vocabulary.id([mark]) != nil, options.prefix.isEmpty, options.suffix.isEmpty else { return false }
    return merges.results.allSatisfy { id in
      let token = vocabulary.scalars(id)
      return token.adjacentPairs().allSatisfy { $0 == mark || $1 != mark }
    }
  }

  private static let mark: Unicode.Scalar = "▁"

  /// Whether scalars outside the vocabulary fall back to bytes.
  var fallsBackToBytes: Bool { options.byteIDs != nil }

  /// The merges, the first to be made first.
  var mergeList: [(left: Int32, right: Int32, result: Int32)] { merges.list }

  func encode(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    if options.ignoresMerges, let id = vocabulary.id(word) { return ids.append(id) }
    guard cutsAtMarks else { return encodeWhole(word, into: &ids) }
    var start = word.startIndex
    for index in word.indices.dropFirst() where word[index] == Self.mark && word[index - 1] != Self.mark {
      encodeWhole(word[start..<index], into: &ids)
      start = index
    }
    encodeWhole(word[start...], into: &ids)
  }

  private func encodeWhole(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    if cache.append(word, to: &ids) { return }
    let own = merges.apply(to: symbols(of: word))
    cache.keep(word, own[...])
    ids += own
  }

  private func symbols(of word: ArraySlice<Unicode.Scalar>) -> [Int32] {
    var symbols: [Int32] = []
    symbols.reserveCapacity(word.count)
    // Like `tokenizers`, write an unknown scalar only when a known one or the end follows.
    var hasUnknown = false
    for index in word.indices {
      if let id = id(ofScalarAt: index, in: word) {
        if hasUnknown, let unknownID = options.unknownID { symbols.append(unknownID) }
        hasUnknown = false
        symbols.append(id)
      } else if let bytes = bytes(ofScalarAt: index, in: word) {
        symbols += bytes
      } else if let unknownID = options.unknownID {
        if hasUnknown, !options.fusesUnknown { symbols.append(unknownID) }
        hasUnknown = true
      }
    }
    if hasUnknown, let unknownID = options.unknownID { symbols.append(unknownID) }
    return symbols
  }

  private func id(ofScalarAt index: Int, in word: ArraySlice<Unicode.Scalar>) -> Int32? {
    if hasAffixes { return vocabulary.id(key(ofScalarAt: index, in: word)) }
    let value = Int(word[index].value)
    if value < singles.count { return singles[value] < 0 ? nil : singles[value] }
    return vocabulary.id(word[index...index])
  }

  /// The ids of a scalar's bytes, if the vocabulary has all of them.
  private func bytes(ofScalarAt index: Int, in word: ArraySlice<Unicode.Scalar>) -> [Int32]? {
    guard let byteIDs = options.byteIDs else { return nil }
    var ids: [Int32] = []
    for scalar in key(ofScalarAt: index, in: word) {
      for byte in UTF8.encode(scalar) ?? UTF8.EncodedScalar() {
        guard byteIDs[Int(byte)] >= 0 else { return nil }
        ids.append(byteIDs[Int(byte)])
      }
    }
    return ids
  }

  /// The spelling of a scalar of `word` in the vocabulary.
  private func key(ofScalarAt index: Int, in word: ArraySlice<Unicode.Scalar>) -> ArraySlice<Unicode.Scalar> {
    var key = word[index...index]
    if index != word.startIndex, !options.prefix.isEmpty { key = (options.prefix + key)[...] }
    if index == word.endIndex - 1, !options.suffix.isEmpty { key = (key + options.suffix)[...] }
    return key
  }

  private var hasAffixes: Bool { !options.prefix.isEmpty || !options.suffix.isEmpty }
}

extension BytePairEncoding {
  private typealias Token = ArraySlice<Unicode.Scalar>

  /// Reads `model` of tokenizer.json.
  init(_ field: JSONField) throws {
    try field.requireOnly([
      "type", "vocab", "merges", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
      "byte_fallback", "ignore_merges",
    ])
    if let dropout = try field.optional("dropout"), dropout.node.number != 0 {
      throw dropout.unsupported("dropout of merges", ["null"])
    }
    let vocabulary = try Vocabulary(field.member("vocab"))
    var options = Options()
    options.unknownID = try field.optional("unk_token")?.token(in: vocabulary)
    options.fusesUnknown = try field.flag("fuse_unk", or: false)
    if try field.flag("byte_fallback", or: false) { options.byteIDs = vocabulary.byteIDs }
    options.ignoresMerges = try field.flag("ignore_merges", or: false)
    options.prefix = try field.optional("continuing_subword_prefix")?.affix() ?? []
    options.suffix = try field.optional("end_of_word_suffix")?.affix() ?? []
    try self.init(vocabulary, merges: field.member("merges"), options)
  }

  /// Reads the list of merges of tokenizer.json.
  init(_ vocabulary: Vocabulary, merges list: JSONField, _ options: Options) throws {
    let nodes = try list.value("a list") { $0.array }
    var merges = MergeTable(capacity: nodes.count)
    for (rank, node) in nodes.enumerated() {
      let place = { FilePlace(file: list.file, line: node.line, field: "\(list.path)[\(rank)]") }
      try Self.add(Self.pair(node, place), rank: rank, to: &merges, vocabulary, prefix: options.prefix, place)
    }
    self.init(vocabulary: vocabulary, merges: merges, options: options)
  }

  /// The pieces of a SentencePiece file: every way to put a piece together from two others is a merge, those of lower
  /// pieces and with shorter left parts first, as transformers lists them.
  ///
  /// - Parameter names: the tokens of the vocabulary, which differ from the pieces where they are renamed.
  init(
    pieces: [String], names: [String], unknown: String?, fallsBackToBytes: Bool, place: FilePlace
  ) throws {
    var vocabulary = Vocabulary(capacity: names.count), known = ScalarTable(capacity: pieces.count)
    for (id, name) in names.enumerated() { try vocabulary.add(name, id: Int32(clamping: id), place: place) }
    let pieces = pieces.map { Array($0.unicodeScalars) }
    for piece in pieces { known.insert(piece[...]) }
    var merges = MergeTable(capacity: pieces.count * 4), rank: Int32 = 0
    for (id, piece) in pieces.enumerated() where piece.count > 1 {
      for cut in 1..<piece.count {
        guard let left = known.find(piece[..<cut]), let right = known.find(piece[cut...]) else { continue }
        merges.add(left: Int32(left), right: Int32(right), rank: rank, result: Int32(id))
        rank += 1
      }
    }
    self.init(
      vocabulary: vocabulary, merges: merges,
      options: try Options(vocabulary, unknown: unknown, fallsBackToBytes: fallsBackToBytes, place: place))
  }

  /// Reads merges.txt: two tokens a line. Lines that begin with `#version` are skipped.
  init(vocabulary: Vocabulary, mergeLines lines: [String], file: String) throws {
    var merges = MergeTable(capacity: lines.count)
    for (index, line) in lines.enumerated() where !line.hasPrefix("#version") {
      let place = { FilePlace(file: file, line: index + 1) }
      try Self.add(Self.pair(line, place), rank: index, to: &merges, vocabulary, prefix: [], place)
    }
    self.init(vocabulary: vocabulary, merges: merges, options: Options())
  }

  /// Merges of a list of texts. `place` is that of a number of the list.
  init(
    vocabulary: Vocabulary, merges list: [String], options: Options, place: @escaping (Int) -> FilePlace
  ) throws {
    var merges = MergeTable(capacity: list.count)
    for (rank, text) in list.enumerated() {
      let place = { place(rank) }
      try Self.add(Self.pair(text, place), rank: rank, to: &merges, vocabulary, prefix: [], place)
    }
    self.init(vocabulary: vocabulary, merges: merges, options: options)
  }

  /// SentencePiece's pieces: every way to put a piece together from two others is a merge, those of the highest score and
  /// with the longest left parts first, as transformers lists them. The id of a piece is its number.
  init(vocabulary: Vocabulary, pieces: [String], scores: [Double], options: Options) {
    var ways: [(score: Double, left: Int32, right: Int32, cut: Int32, rest: Int32, result: Int32)] = []
    for (id, piece) in pieces.enumerated() {
      let scalars = Array(piece.unicodeScalars)
      for cut in stride(from: scalars.count - 1, to: 0, by: -1) {
        guard let left = vocabulary.id(scalars[..<cut]), let right = vocabulary.id(scalars[cut...]) else { continue }
        ways.append((scores[id], left, right, Int32(cut), Int32(scalars.count - cut), Int32(clamping: id)))
      }
    }
    // Those that compare as equal stay in the order of their pieces.
    let order = ways.indices.sorted { one, other in
      let (a, b) = (ways[one], ways[other])
      if a.score != b.score { return a.score > b.score }
      if a.cut != b.cut { return a.cut > b.cut }
      return a.rest != b.rest ? a.rest > b.rest : one < other
    }
    var merges = MergeTable(capacity: ways.count)
    for (rank, index) in order.enumerated() {
      merges.add(
        left: ways[index].left, right: ways[index].right, rank: Int32(clamping: rank), result: ways[index].result)
    }
    self.init(vocabulary: vocabulary, merges: merges, options: options)
  }

  /// A merge of tokenizer.json, either `"a b"` or `["a", "b"]`.
  private static func pair(_ node: JSONNode, _ place: () -> FilePlace) throws -> (Token, Token) {
    if let text = node.string { return try pair(text, place) }
    if let pair = node.array, pair.count == 2, let left = pair[0].string, let right = pair[1].string {
      return (Array(left.unicodeScalars)[...], Array(right.unicodeScalars)[...])
    }
    let found = node.array == nil ? node.kind : "another list"
    throw JSONFieldError(place: place(), problem: .wrongValue(expected: #""a b" or ["a", "b"]"#, found: found))
  }

  private static func pair(_ text: String, _ place: () -> FilePlace) throws -> (Token, Token) {
    let scalars = Array(text.unicodeScalars)
    guard let space = scalars.firstIndex(of: " "), !scalars[(space + 1)...].contains(" ") else {
      throw TokenizerError.malformed(place(), problem: "a merge must be two tokens with one space between them")
    }
    return (scalars[..<space], scalars[(space + 1)...])
  }

  private static func add(
    _ pair: (left: Token, right: Token), rank: Int, to table: inout MergeTable, _ vocabulary: Vocabulary,
    prefix: [Unicode.Scalar], _ place: () -> FilePlace
  ) throws {
    guard pair.right.starts(with: prefix) else {
      throw TokenizerError.malformed(
        place(), problem: "\"\(String(scalars: pair.right))\" does not begin with \"\(String(scalars: prefix))\"")
    }
    func id(_ token: Token) throws -> Int32 {
      if let id = vocabulary.id(token) { return id }
      throw TokenizerError.unknownToken(place(), token: String(scalars: token))
    }
    let result = pair.left + pair.right.dropFirst(prefix.count)
    table.add(left: try id(pair.left), right: try id(pair.right), rank: Int32(clamping: rank), result: try id(result))
  }
}
