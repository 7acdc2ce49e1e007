import Foundation
import Kernels
import Synchronization
import Testing

/// What threads share out between them, in a hurry and after a rest.
@Suite struct TeamTests {
  @Test(arguments: [1, 2, 7], [0, 1e-3]) func everyPieceIsDoneOnceBeforeItReturns(threads: Int, rest: Double) {
    let workspace = Workspace()
    workspace.team = Team(threads: threads)
    let members = Mutex(Set<Int>())
    // Longer than helpers look for work, or not at all.
    for round in 0..<(rest > 0 ? 50 : 2000) {
      if rest > 0 { Thread.sleep(forTimeInterval: rest) }
      let counts = (0..<(1 + round % 9)).map { _ in Count() }
      workspace.forEach(counts.count, work: 1 << 20) { piece, member in
        counts[piece].number.add(1, ordering: .relaxed)
        members.withLock { _ = $0.insert(member) }
      }
      #expect(counts.allSatisfy { $0.number.load(ordering: .relaxed) == 1 })
    }
    #expect(members.withLock { $0.isSubset(of: 0..<threads) && $0.contains(0) })
  }

  /// A member's memory is its own while it is at work.
  @Test func noTwoPiecesHaveTheSameMemberAtOnce() {
    let workspace = Workspace()
    workspace.team = Team(threads: 4)
    let busy = (0..<4).map { _ in Count() }, clashes = Count()
    for _ in 0..<100 {
      workspace.forEach(16, work: 1 << 20) { _, member in
        if busy[member].number.add(1, ordering: .relaxed).oldValue != 0 {
          clashes.number.add(1, ordering: .relaxed)
        }
        for _ in 0..<4 { sched_yield() }
        busy[member].number.subtract(1, ordering: .relaxed)
      }
    }
    #expect(clashes.number.load(ordering: .relaxed) == 0)
  }

  /// Helpers take part, in any case where each piece waits for another.
  @Test func helpersTakePart() {
    let workspace = Workspace()
    workspace.team = Team(threads: 3)
    for rest in [0, 2e-3, 0, 2e-3] {
      Thread.sleep(forTimeInterval: rest)
      let arrived = Count()
      workspace.forEach(3, work: 1 << 20) { _, _ in
        arrived.number.add(1, ordering: .relaxed)
        // A helper that never comes is a failure, not a hang.
        let clock = ContinuousClock(), end = clock.now + .seconds(60)
        while arrived.number.load(ordering: .relaxed) < 3, clock.now < end { sched_yield() }
      }
      #expect(arrived.number.load(ordering: .relaxed) == 3)
    }
  }

  private final class Count: Sendable {
    let number = Atomic(0)
  }
}
