import Dispatch
import Synchronization

/// Adds storages along a `ShardTree` as they come, several at a time.
///
/// A finished shard becomes a leaf. Where a node's sibling is there already, the thread that brings the second takes both
/// out, adds them without the lock, and puts the parent in their place.
final class TreeSum: Sendable {
  private let count: Int
  private let places: Int
  private let limit: Int
  private let state: Mutex<State>
  private let changed = DispatchSemaphore(value: 0)

  private struct State {
    var idle: [FloatStorage]
    /// The place of the next shard.
    var next = 0
    /// Sums that wait for their siblings.
    var nodes: [ShardTree.Node: FloatStorage] = [:]
    /// Storages that are worked on or wait.
    var live = 0
    /// Threads that wait for a storage.
    var waiting = 0
  }

  /// Sums of `count` numbers each over `places` shards of the tree's order, in the storages `idle` and new ones.
  /// `workers` threads take part.
  init(count: Int, places: Int, idle: [FloatStorage], tree: ShardTree, workers: Int) {
    (self.count, self.places) = (count, places)
    limit = tree.storages(workers: workers)
    state = Mutex(State(idle: idle))
  }

  /// The next place and a cleared storage for it; nil when all are taken. Waits while a slow shard keeps too many others
  /// from being added. Both are taken at once: a thread that waits must not hold a place that others wait for.
  func take() -> (place: Int, storage: FloatStorage)? {
    while true {
      let (place, storage) = state.withLock { state -> (Int?, FloatStorage?) in
        guard state.next < places else { return (places, nil) }
        guard state.live < limit else {
          state.waiting += 1
          return (nil, nil)
        }
        defer { state.next += 1 }
        state.live += 1
        return (state.next, state.idle.popLast())
      }
      guard let place else {
        changed.wait()
        continue
      }
      if place == places { return nil }
      guard let storage else { return (place, FloatStorage(zeros: count)) }
      storage.clear()
      return (place, storage)
    }
  }

  /// Adds a finished leaf to whatever is there.
  func finish(_ leaf: ShardTree.Node, _ storage: FloatStorage) {
    var node = leaf, sum = storage
    while let other = takeSibling(of: node, or: sum) {
      let (first, second) = node.isFirst ? (sum, other) : (other, sum)
      first.add(second)
      free(second)
      (node, sum) = (node.parent, first)
    }
  }

  /// The sums that are left, by their nodes, and the storages that are free.
  func end() -> (nodes: [ShardTree.Node: FloatStorage], idle: [FloatStorage]) {
    state.withLock { ($0.nodes, $0.idle) }
  }

  /// Takes out the sibling of `node`; puts `sum` in the place of `node` if there is none.
  private func takeSibling(of node: ShardTree.Node, or sum: FloatStorage) -> FloatStorage? {
    state.withLock { state in
      if node.modulus > 1, let sibling = state.nodes.removeValue(forKey: node.sibling) { return sibling }
      state.nodes[node] = sum
      return nil
    }
  }

  private func free(_ storage: FloatStorage) {
    let wake = state.withLock { state -> Int in
      state.idle.append(storage)
      state.live -= 1
      defer { state.waiting = 0 }
      return state.waiting
    }
    for _ in 0..<wake { changed.signal() }
  }
}
