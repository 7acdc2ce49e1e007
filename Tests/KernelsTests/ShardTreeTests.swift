import Foundation
import Synchronization
import Testing

@testable import Kernels

@Suite struct ShardTreeTests {
  @Test func orderIsThatOfTheLeavesFromLeftToRight() {
    #expect(ShardTree(shards: 0).order == [])
    #expect(ShardTree(shards: 1).order == [0])
    #expect(ShardTree(shards: 5).order == [0, 4, 2, 1, 3])
    #expect(ShardTree(shards: 8).order == [0, 4, 2, 6, 1, 5, 3, 7])
  }

  /// For every number of shards and ranks, equal shares and few nodes.
  @Test func spansAreAsEvenAsTheyCanBe() {
    for shards in 1...128 {
      let tree = ShardTree(shards: shards)
      #expect(tree.order.sorted() == Array(0..<shards))
      for ranks in 1...32 {
        let spans = tree.spans(ranks: ranks), nodes = spans.map(tree.nodes)
        #expect(spans.count == ranks && spans.flatMap { Array($0) } == Array(0..<shards))
        #expect(spans.map(\.count).max() == (shards + ranks - 1) / ranks, "\(shards) shards, \(ranks) ranks")
        #expect(nodes.map(\.count).max() ?? 0 <= 7, "\(shards) shards, \(ranks) ranks")
        if ranks.nonzeroBitCount == 1, shards % ranks == 0 { #expect(nodes.allSatisfy { $0.count == 1 }) }
      }
    }
  }

  @Test func nodesOfASpanAreItsShards() {
    let tree = ShardTree(shards: 11)
    func shards(_ node: ShardTree.Node) -> [Int] {
      if tree.isLeaf(node) { return [node.residue] }
      return shards(node.children.0) + shards(node.children.1)
    }
    for start in 0...11 {
      for end in start...11 {
        #expect(tree.nodes(of: start..<end).flatMap(shards) == Array(tree.order[start..<end]))
      }
    }
    for shard in 0..<11 {
      let leaf = tree.leaf(shard)
      #expect(tree.isLeaf(leaf) && leaf.residue == shard)
      #expect(leaf.parent == leaf.sibling.parent && leaf.sibling.sibling == leaf)
    }
  }

  /// A sum is that of the tree's definition, whatever the number of threads and the order in which shards are done.
  @Test(arguments: [1, 2, 3, 8, 13, 64]) func sumsFollowTheTree(shards: Int) {
    let tree = ShardTree(shards: shards)
    @Sendable func number(_ shard: Int) -> Float { Float(sin(Double(shard + 1)) * 1e3) }
    func expected(_ node: ShardTree.Node) -> Float {
      tree.isLeaf(node) ? number(node.residue) : expected(node.children.0) + expected(node.children.1)
    }
    for threads in [1, 2, 5] {
      let pool = WorkerPool(threads: threads)
      for ranks in [1, 3, 4] {
        for span in tree.spans(ranks: ranks) {
          var sums: [ShardTree.Node: Float] = [:]
          let results = pool.mapGradients(span, of: tree, count: 2) { shard, _, storage in
            storage.base[0] += number(shard)
            storage.base[1] -= number(shard)
            if shard % 3 == 0 { usleep(200) }
            return shard
          } use: { nodes in
            for (node, storage) in nodes { sums[node] = storage.base[0] == -storage.base[1] ? storage.base[0] : .nan }
          }
          #expect(results == Array(tree.order[span]))
          let nodes = tree.nodes(of: span)
          #expect(sums.count == nodes.count && nodes.allSatisfy { sums[$0] == expected($0) })
        }
      }
    }
  }

  /// While three of four threads have slow shards, the fourth does not pile up sums: it waits for them.
  @Test func storagesAreFew() {
    let tree = ShardTree(shards: 256), pool = WorkerPool(threads: 4), seen = Mutex<Set<ObjectIdentifier>>([])
    // Far from each other, so that much waits for each.
    let slow = Set([0, 64, 128].map { tree.order[$0] })
    let begun = Mutex(0), atStandstill = Mutex(Int.max)
    let results = pool.mapGradients(0..<256, of: tree, count: 1) { shard, _, storage in
      seen.withLock { _ = $0.insert(ObjectIdentifier(storage)) }
      begun.withLock { $0 += 1 }
      // Until the others have not begun any for a while.
      var before = -1, polls = 0
      while slow.contains(shard), polls < 300 {
        let now = begun.withLock { $0 }
        polls = now == before ? polls + 1 : 0
        before = now
        usleep(1000)
      }
      if slow.contains(shard) { atStandstill.withLock { $0 = min($0, before) } }
      return shard
    } use: { nodes in
      #expect(Array(nodes.keys) == [.root])
    }
    #expect(results == tree.order)
    #expect(seen.withLock { $0.count } <= tree.storages(workers: 4))
    // Without a limit, all others would have been done meanwhile.
    let stopped = atStandstill.withLock { $0 }
    #expect(stopped < 256)
  }
}
