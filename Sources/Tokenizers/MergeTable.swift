/// The merges of a byte-pair encoding: which neighbours become which token, and in which order.
struct MergeTable: Sendable {
  private struct Merge: Sendable {
    /// Its line number; lower goes first.
    var rank: Int32
    var result: Int32
  }

  private var merges: [Pair: Merge]

  private struct Pair: Hashable, Sendable {
    var left: Int32
    var right: Int32

    /// One word instead of two: tables are built from files of 50,000 merges.
    func hash(into hasher: inout Hasher) {
      hasher.combine(UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right)))
    }
  }

  /// A table with room for `capacity` merges.
  init(capacity: Int) {
    merges = Dictionary(minimumCapacity: capacity)
  }

  /// Sets the merge of two tokens; of the same two given twice, the later holds.
  mutating func add(left: Int32, right: Int32, rank: Int32, result: Int32) {
    merges[Pair(left: left, right: right)] = Merge(rank: rank, result: result)
  }

  /// The tokens that `symbols` become.
  func apply(to symbols: [Int32]) -> [Int32] {
    if symbols.count < 2 { return symbols }
    // Merged symbols stay in place: the left one takes the result, the right one is skipped by its neighbours' links.
    var symbols = symbols
    var next = Array(1...symbols.count)
    var previous = Array(-1..<(symbols.count - 1))
    let removed: Int32 = -1
    var queue = MergeQueue()
    for left in 0..<(symbols.count - 1) {
      enqueue(left, symbols[left], symbols[left + 1], into: &queue)
    }
    while let top = queue.pop() {
      let left = top.position, right = next[left]
      // An entry is stale where one of its symbols has since become part of another.
      guard symbols[left] != removed, right < symbols.count,
        let merge = merges[Pair(left: symbols[left], right: symbols[right])], merge.result == top.result
      else { continue }
      symbols[left] = merge.result
      symbols[right] = removed
      next[left] = next[right]
      if next[left] < symbols.count {
        previous[next[left]] = left
        enqueue(left, symbols[left], symbols[next[left]], into: &queue)
      }
      if previous[left] >= 0 { enqueue(previous[left], symbols[previous[left]], symbols[left], into: &queue) }
    }
    return symbols.filter { $0 != removed }
  }

  private func enqueue(_ position: Int, _ left: Int32, _ right: Int32, into queue: inout MergeQueue) {
    if let merge = merges[Pair(left: left, right: right)] {
      queue.push(MergeQueue.Entry(rank: merge.rank, position: position, result: merge.result))
    }
  }
}

/// A heap of possible merges: lowest rank first, of equal ranks the leftmost.
private struct MergeQueue {
  struct Entry {
    var rank: Int32
    var position: Int
    var result: Int32

    func precedes(_ other: Entry) -> Bool {
      rank == other.rank ? position < other.position : rank < other.rank
    }
  }

  private var heap: [Entry] = []

  mutating func push(_ entry: Entry) {
    heap.append(entry)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].precedes(heap[parent]) else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func pop() -> Entry? {
    guard let first = heap.first, let last = heap.popLast() else { return nil }
    if heap.isEmpty { return first }
    heap[0] = last
    var parent = 0
    while 2 * parent + 1 < heap.count {
      var child = 2 * parent + 1
      if child + 1 < heap.count, heap[child + 1].precedes(heap[child]) { child += 1 }
      guard heap[child].precedes(heap[parent]) else { break }
      heap.swapAt(child, parent)
      parent = child
    }
    return first
  }
}
