import Synchronization

/// Byte-pair encoding: a word starts as single scalars, and the pair that was merged earliest in training is merged
/// again and again, the leftmost first.
///
/// Words seen before are taken from a cache behind a lock.
struct BytePairEncoding: Sendable {
  let vocabulary: Vocabulary
  private let merges: MergeTable
  private let options: Options
  private let cache = WordCache()

  /// What tokenizer.json may set.
  struct Options: Sendable {
    /// The id of scalars that are not in the vocabulary; without it they vanish.
    var unknownID: Int32?
    /// Whether a run of unknown scalars is one token.
    var fusesUnknown = false
    /// Whether a word that is in the vocabulary is taken whole, merges or not.
    var ignoresMerges = false
    /// What every scalar but a word's first is looked up with in front.
    var prefix: [Unicode.Scalar] = []
    /// What a word's last scalar is looked up with behind.
    var suffix: [Unicode.Scalar] = []
  }

  init(vocabulary: Vocabulary, merges: MergeTable, options: Options) {
    self.vocabulary = vocabulary
    self.merges = merges
    self.options = options
  }

  /// Appends the ids of `word`.
  func encode(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    if options.ignoresMerges, let id = vocabulary.id(word) {
      ids.append(id)
    } else if !cache.find(word, into: &ids) {
      let start = ids.count
      ids += merges.apply(to: symbols(of: word))
      cache.insert(word, ids[start...])
    }
  }

  /// The ids of the single scalars of `word`.
  private func symbols(of word: ArraySlice<Unicode.Scalar>) -> [Int32] {
    var symbols: [Int32] = []
    symbols.reserveCapacity(word.count)
    var isAfterUnknown = false
    for index in word.indices {
      let isFirst = index == word.startIndex, isLast = index == word.endIndex - 1
      var key = word[index...index]
      if !isFirst, !options.prefix.isEmpty { key = (options.prefix + key)[...] }
      if isLast, !options.suffix.isEmpty { key = (key + options.suffix)[...] }
      if let id = vocabulary.id(key) {
        symbols.append(id)
        isAfterUnknown = false
      } else if let unknownID = options.unknownID {
        if !(isAfterUnknown && options.fusesUnknown) { symbols.append(unknownID) }
        isAfterUnknown = true
      }
    }
    return symbols
  }
}

/// The ids of words encoded before, shared by all threads.
private final class WordCache: Sendable {
  private struct State: Sendable {
    var words = ScalarTable()
    var ids: [Int32] = []
    var ends: [Int] = []
  }

  private static let maximumCount = 65_536
  private static let maximumLength = 64
  private let state = Mutex(State())

  /// Appends the ids of `word` if they are known.
  func find(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) -> Bool {
    if word.count > Self.maximumLength { return false }
    return state.withLock { state in
      guard let index = state.words.find(word) else { return false }
      ids += state.ids[(index == 0 ? 0 : state.ends[index - 1])..<state.ends[index]]
      return true
    }
  }

  /// Keeps the ids of `word`, where it is short and there is room.
  func insert(_ word: ArraySlice<Unicode.Scalar>, _ ids: ArraySlice<Int32>) {
    if word.count > Self.maximumLength { return }
    state.withLock { state in
      guard state.words.count < Self.maximumCount, state.words.insert(word).isNew else { return }
      state.ids += ids
      state.ends.append(state.ids.count)
    }
  }
}
