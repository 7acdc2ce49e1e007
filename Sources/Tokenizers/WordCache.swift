import Synchronization

/// The ids of words encoded before, for all threads.
///
/// Many parts with a lock each, so that threads seldom wait for each other.
final class WordCache: Sendable {
  private struct State: Sendable {
    var words = ScalarTable()
    var ids: [Int32] = []
    var ends: [Int] = []
  }

  private final class Part: Sendable {
    let state = Mutex(State())
  }

  private static let maximumLength = 64
  private static let maximumCountOfPart = 1024
  private let parts = (0..<64).map { _ in Part() }

  /// Appends the ids of `word` that were kept before; false if there are none.
  ///
  /// Encoding is not a closure: it would copy the tokenizer, and threads would wait for the counts of its references.
  func append(_ word: ArraySlice<Unicode.Scalar>, to ids: inout [Int32]) -> Bool {
    if word.count > Self.maximumLength { return false }
    let hash = ScalarTable.hash(word)
    return parts[Int(hash >> 58)].state.withLock { state in
      guard let index = state.words.find(word, hash: hash) else { return false }
      ids += state.ids[(index == 0 ? 0 : state.ends[index - 1])..<state.ends[index]]
      return true
    }
  }

  /// Keeps the ids of `word` if it is short and there is room.
  func keep(_ word: ArraySlice<Unicode.Scalar>, _ ids: ArraySlice<Int32>) {
    if word.count > Self.maximumLength { return }
    let hash = ScalarTable.hash(word)
    parts[Int(hash >> 58)].state.withLock { state in
      guard state.words.count < Self.maximumCountOfPart, state.words.insert(word, hash: hash).isNew else { return }
      state.ids += ids
      state.ends.append(state.ids.count)
    }
  }
}
