import Algorithms

/// The merges of a byte-pair encoding: which two tokens become which, at what rank.
///
/// An open-addressing hash table, since the inner loop of encoding looks up pairs.
struct MergeTable: Sendable {
  struct Merge: Sendable {
    /// The lowest rank is merged first; among equal ones the leftmost.
    var rank: Int32
    var result: Int32
  }

  private struct Slot: Sendable {
    var pair: UInt64
    var merge: Merge
  }

  /// No two ids are both -1.
  private static let free = Slot(pair: .max, merge: Merge(rank: .max, result: -1))
  private var slots: [Slot]
  private(set) var count = 0

  init(capacity: Int) {
    var size = 32
    while size < capacity * 2 { size *= 2 }
    slots = [Slot](repeating: Self.free, count: size)
  }

  /// Sets the merge of two tokens, replacing an earlier one.
  mutating func add(left: Int32, right: Int32, rank: Int32, result: Int32) {
    if (count + 1) * 2 > slots.count { grow() }
    let pair = Self.pair(left, right), slot = slot(of: pair)
    if slots[slot].pair != pair { count += 1 }
    slots[slot] = Slot(pair: pair, merge: Merge(rank: rank, result: result))
  }

  /// The tokens that merges make.
  var results: [Int32] { slots.filter { $0.pair != .max }.map(\.merge.result) }

  /// The merges, the lowest rank first.
  var list: [(left: Int32, right: Int32, result: Int32)] {
    slots.filter { $0.pair != .max }.sorted { $0.merge.rank < $1.merge.rank }.map { slot in
      let (left, right) = (UInt32(truncatingIfNeeded: slot.pair >> 32), UInt32(truncatingIfNeeded: slot.pair))
      return (Int32(bitPattern: left), Int32(bitPattern: right), slot.merge.result)
    }
  }

  func apply(to symbols: [Int32]) -> [Int32] {
    symbols.count <= Self.shortest ? applyToShort(symbols) : applyToLong(symbols)
  }

  /// Up to this length, scanning all pairs after each merge is faster than a queue.
  private static let shortest = 24

  private func applyToShort(_ word: [Int32]) -> [Int32] {
    if word.count < 2 { return word }
    var symbols = word
    // `merges[i]` merges symbols i and i + 1.
    var merges = symbols.adjacentPairs().map { merge($0, $1) }
    while true {
      var best = 0
      for index in merges.indices where merges[index].rank < merges[best].rank { best = index }
      guard best < merges.count, merges[best].rank < .max else { return symbols }
      symbols[best] = merges[best].result
      symbols.remove(at: best + 1)
      merges.remove(at: best)
      if best > 0 { merges[best - 1] = merge(symbols[best - 1], symbols[best]) }
      if best < merges.count { merges[best] = merge(symbols[best], symbols[best + 1]) }
    }
  }

  private func applyToLong(_ word: [Int32]) -> [Int32] {
    // A merge writes its result over the left symbol and unlinks the right one.
    var symbols = word
    var next = Array(1...symbols.count)
    var previous = Array(-1..<(symbols.count - 1))
    let removed: Int32 = -1
    var queue = MergeQueue()
    for left in 0..<(symbols.count - 1) {
      enqueue(left, symbols[left], symbols[left + 1], into: &queue)
    }
    while let (rank, left) = queue.pop() {
      let right = next[left]
      // An entry is stale if one of its symbols has been merged meanwhile.
      guard symbols[left] != removed, right < symbols.count else { continue }
      let merge = merge(symbols[left], symbols[right])
      guard merge.rank == rank else { continue }
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
    let rank = merge(left, right).rank
    if rank < .max { queue.push(rank, position) }
  }

  /// The merge of two tokens; its rank is `Int32.max` if there is none.
  private func merge(_ left: Int32, _ right: Int32) -> Merge { slots[slot(of: Self.pair(left, right))].merge }

  private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// The slot of `pair`, or the free slot to put it in.
  private func slot(of pair: UInt64) -> Int {
    let mask = slots.count - 1
    var hash = pair &* 0x9E37_79B9_7F4A_7C15
    hash ^= hash >> 32
    var slot = Int(truncatingIfNeeded: hash) & mask
    while slots[slot].pair != pair, slots[slot].pair != .max { slot = (slot + 1) & mask }
    return slot
  }

  private mutating func grow() {
    let old = slots
    slots = [Slot](repeating: Self.free, count: old.count * 2)
    for entry in old where entry.pair != .max { slots[slot(of: entry.pair)] = entry }
  }
}

/// A heap of possible merges: the lowest rank first, among equal ones the leftmost.
private struct MergeQueue {
  /// Rank and position in one number.
  private var heap: [UInt64] = []

  mutating func push(_ rank: Int32, _ position: Int) {
    heap.append(UInt64(rank) << 32 | UInt64(position))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child] < heap[parent] else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  mutating func pop() -> (rank: Int32, position: Int)? {
    guard let first = heap.first, let last = heap.popLast() else { return nil }
    if !heap.isEmpty { heap[0] = last }
    var parent = 0
    while 2 * parent + 1 < heap.count {
      var child = 2 * parent + 1
      if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
      guard heap[child] < heap[parent] else { break }
      heap.swapAt(child, parent)
      parent = child
    }
    return (Int32(first >> 32), Int(first & 0xFFFF_FFFF))
  }
}
