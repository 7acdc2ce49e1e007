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

  /// Appends the ids of `word`: those kept before, otherwise the ones that `encode` appends, which are kept if the word is
  /// short and there is room.
  func append(
    _ word: ArraySlice<Unicode.Scalar>, to ids: inout [Int32], encode: (inout [Int32]) -> Void
  ) {
    if word.count > Self.maximumLength { return encode(&ids) }
    let hash = ScalarTable.hash(word), part = parts[Int(hash >> 58)]
    let isKnown = part.state.withLock { state in
      guard let index = state.words.find(word, hash: hash) else { return false }
      ids += state.ids[(index == 0 ? 0 : state.ends[index - 1])..<state.ends[index]]
      return true
    }
    if isKnown { return }
    let start = ids.count
    encode(&ids)
    part.state.withLock { state in
      guard state.words.count < Self.maximumCountOfPart, state.words.insert(word, hash: hash).isNew else { return }
      state.ids += ids[start...]
      state.ends.append(state.ids.count)
    }
  }
}
