import Cluster
import Foundation
import Synchronization

/// Ranks that are threads of this process, for tests of what clusters compute.
public enum SimulatedCluster {
  /// What `body` gives on each of `ranks` ranks, by rank.
  public static func run<Value: Sendable>(
    ranks: Int, _ body: @escaping @Sendable (Cluster) throws -> Value
  ) -> [Result<Value, any Error>] {
    let board = Board(ranks: ranks), group = DispatchGroup()
    let results = Mutex([Result<Value, any Error>?](repeating: nil, count: ranks))
    let members = (0..<ranks).map { rank in
      var member = Member.current
      (member.rank, member.host) = (rank, "n\(rank / 2 + 1)")
      return member
    }
    for rank in 0..<ranks {
      group.enter()
      let thread = Thread {
        let cluster = Cluster(ThreadTransport(rank: rank, board: board), members: members)
        let result = Result { try body(cluster) }
        results.withLock { $0[rank] = result }
        group.leave()
      }
      thread.stackSize = 8 << 20
      thread.start()
    }
    group.wait()
    return results.withLock { $0.compactMap { $0 } }
  }
}

/// Where the ranks show each other what they send.
private final class Board: @unchecked Sendable {
  let ranks: Int
  private var slots: [(bytes: UnsafeRawBufferPointer, counts: [Int])]
  private let condition = NSCondition()
  private var arrived = 0, round = 0

  init(ranks: Int) {
    self.ranks = ranks
    slots = Array(repeating: (UnsafeRawBufferPointer(start: nil, count: 0), []), count: ranks)
  }

  /// Shows `bytes`, whose parts have the lengths `counts`, and reads what all show.
  func share(
    _ rank: Int, _ bytes: UnsafeRawBufferPointer, _ counts: [Int],
    _ read: ([(bytes: UnsafeRawBufferPointer, counts: [Int])]) -> Void
  ) {
    condition.withLock { slots[rank] = (bytes, counts) }
    meet()
    read(slots)
    meet()
  }

  private func meet() {
    condition.withLock {
      arrived += 1
      if arrived == ranks {
        (arrived, round) = (0, round + 1)
        condition.broadcast()
      } else {
        let current = round
        while round == current { condition.wait() }
      }
    }
  }
}

private struct ThreadTransport: Transport {
  let rank: Int
  let board: Board
  var size: Int { board.ranks }

  func exchange(
    _ bytes: UnsafeRawBufferPointer, counts: [Int], into result: UnsafeMutableRawBufferPointer, received: [Int]
  ) {
    board.share(rank, bytes, counts) { slots in
      var place = 0
      for (source, slot) in slots.enumerated() {
        let start = slot.counts[..<rank].reduce(0, +), count = slot.counts[rank]
        precondition(count == received[source])
        result[place..<(place + count)].copy(from: slot.bytes, at: start)
        place += count
      }
    }
  }

  func gather(_ bytes: UnsafeRawBufferPointer, into result: UnsafeMutableRawBufferPointer, counts: [Int]) {
    board.share(rank, bytes, []) { slots in
      var place = 0
      for (slot, count) in zip(slots, counts) {
        precondition(slot.bytes.count == count)
        result[place..<(place + count)].copy(from: slot.bytes, at: 0)
        place += count
      }
    }
  }

  func broadcast(_ bytes: UnsafeMutableRawBufferPointer) {
    board.share(rank, UnsafeRawBufferPointer(bytes), []) { slots in
      precondition(slots[0].bytes.count == bytes.count)
      if rank > 0 { bytes.copyMemory(from: slots[0].bytes) }
    }
  }

  func abort(_ status: Int32) -> Never { fatalError("rank \(rank) ends the job with \(status)") }

  func finish() {}
}

extension Slice<UnsafeMutableRawBufferPointer> {
  fileprivate func copy(from source: UnsafeRawBufferPointer, at start: Int) {
    UnsafeMutableRawBufferPointer(rebasing: self).copyMemory(
      from: UnsafeRawBufferPointer(rebasing: source[start..<(start + count)]))
  }
}
