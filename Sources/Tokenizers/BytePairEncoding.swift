import Algorithms
import Synchronization

/// Byte-pair encoding: a word starts as single scalars; the neighbours whose merge has the lowest rank are merged,
/// leftmost first, until none is left.
///
/// A cache, guarded by a lock, keeps the words encoded before.
struct BytePairEncoding: Sendable {
  let vocabulary: Vocabulary
  private let merges: MergeTable
  private let options: Options
  /// Ids of the scalars below U+0180; -1 if the vocabulary lacks one.
  private let singles: [Int32]
  private let cutsAtMarks: Bool
  private let cache = WordCache()

  /// Settings of tokenizer.json.
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

  /// SentencePiece's space.
  private static let mark: Unicode.Scalar = "▁"

  /// Appends the ids of `word`.
  func encode(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    if options.ignoresMerges, let id = vocabulary.id(word) {
      ids.append(id)
      return
    }
    guard cutsAtMarks else { return encodeWhole(word, into: &ids) }
    var start = word.startIndex
    for index in word.indices.dropFirst() where word[index] == Self.mark && word[index - 1] != Self.mark {
      encodeWhole(word[start..<index], into: &ids)
      start = index
    }
    encodeWhole(word[start...], into: &ids)
  }

  private func encodeWhole(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    if !cache.find(word, into: &ids) {
      let start = ids.count
      ids += merges.apply(to: symbols(of: word))
      cache.insert(word, ids[start...])
    }
  }

  /// The ids of the scalars of `word`.
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

/// The ids of words encoded before, for all threads.
private final class WordCache: Sendable {
  private struct State: Sendable {
    var words = ScalarTable()
    var ids: [Int32] = []
    var ends: [Int] = []
  }

  private static let maximumCount = 65_536
  private static let maximumLength = 64
  private let state = Mutex(State())

  /// Appends the ids of `word` if it is in the cache.
  func find(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) -> Bool {
    if word.count > Self.maximumLength { return false }
    return state.withLock { state in
      guard let index = state.words.find(word) else { return false }
      ids += state.ids[(index == 0 ? 0 : state.ends[index - 1])..<state.ends[index]]
      return true
    }
  }

  /// Keeps the ids of `word` if it is short and there is room.
  func insert(_ word: ArraySlice<Unicode.Scalar>, _ ids: ArraySlice<Int32>) {
    if word.count > Self.maximumLength { return }
    state.withLock { state in
      guard state.words.count < Self.maximumCount, state.words.insert(word).isNew else { return }
      state.ids += ids
      state.ends.append(state.ids.count)
    }
  }
}
