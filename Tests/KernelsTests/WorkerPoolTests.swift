import Synchronization
import Testing

@testable import Kernels

@Suite struct WorkerPoolTests {
  @Test(arguments: [1, 2, 5]) func resultsComeInOrder(threads: Int) {
    #expect(WorkerPool(threads: threads).map(20) { index, _ in index * index } == (0..<20).map { $0 * $0 })
    #expect(WorkerPool(threads: threads).map(0) { index, _ in index }.isEmpty)
    #expect(WorkerPool(threads: threads).map(each: Array(0..<200)) { -$0 } == (0..<200).map { -$0 })
  }

  /// A stop is heard after the indices at work, not at the end of all.
  @Test(arguments: [1, 2]) func aStopEndsTheWorkEarly(threads: Int) {
    let begun = Mutex(0)
    var asked = 0
    let results = WorkerPool(threads: threads).map(
      1000,
      while: {
        asked += 1
        return asked < 4
      }
    ) { index, _ in
      begun.withLock { $0 += 1 }
      for _ in 0..<10_000 where begun.withLock({ $0 }) < 0 {}
      return index
    }
    #expect(results == nil && asked == 4 && begun.withLock { $0 } < 1000)
  }

  @Test func gradientStoragesAreKeptBetweenSteps() {
    let pool = WorkerPool(threads: 1), seen = Mutex<[Set<ObjectIdentifier>]>([])
    func step(_ count: Int) -> [Float] {
      let total = FloatStorage(zeros: count)
      seen.withLock { $0.append([]) }
      _ = pool.mapGradients(0..<4, of: ShardTree(shards: 4), count: count) { shard, _, storage in
        seen.withLock { seen in _ = seen[seen.count - 1].insert(ObjectIdentifier(storage)) }
        storage.base[0] += Float(shard)
      } use: { nodes in
        nodes[.root].map(total.copy)
      }
      return total[0..<count]
    }
    #expect(step(3) == [6, 0, 0] && step(3) == [6, 0, 0])
    let first = seen.withLock { $0 }
    #expect(first[0] == first[1])
    // After a merge there are fewer numbers.
    #expect(step(2) == [6, 0])
  }
}
