import CKernels
import Kernels

extension Cluster {
  /// Numbers that are exchanged at once, so that buffers stay small and MPI's 32 bits count their bytes.
  static let pieceSize = 16 << 20

  /// The sum of all shards in `total`, the same bits on every rank, from the sums that each rank has of its own.
  ///
  /// Every rank adds up one slice of the numbers along the tree and sends it to all: 2 V (N − 1)/N bytes from each for
  /// gradients of V bytes, where every rank has one node. `nodes` are those of this rank's span of the tree's order.
  public func sum(_ nodes: [ShardTree.Node: FloatStorage], over tree: ShardTree, into total: FloatStorage) {
    if isAlone {
      if let root = nodes[.root] { total.copy(from: root) } else { total.clear() }
      return
    }
    let spans = tree.spans(ranks: size).map(tree.nodes)
    let own = spans[rank].map { node in
      guard let sum = nodes[node] else { preconditionFailure("\(node) belongs to this rank") }
      return sum
    }
    for start in stride(from: 0, to: total.count, by: Self.pieceSize) {
      let piece = Piece(range: start..<min(start + Self.pieceSize, total.count), ranks: size)
      sum(own, spans, tree, piece, into: total)
    }
  }

  private func sum(
    _ own: [FloatStorage], _ spans: [[ShardTree.Node]], _ tree: ShardTree, _ piece: Piece, into total: FloatStorage
  ) {
    let slices = piece.slices, mine = slices[rank].count
    let sent = FloatStorage(zeros: own.count == 1 ? 0 : own.count * piece.range.count)
    var place = 0
    if own.count > 1 {
      for slice in slices {
        for storage in own {
          (sent.base + place).update(from: storage.base + slice.lowerBound, count: slice.count)
          place += slice.count
        }
      }
    }
    // The numbers of a single node are in the order of their owners already.
    let source = own.count == 1 ? UnsafePointer(own[0].base + piece.range.lowerBound) : UnsafePointer(sent.base)
    let received = FloatStorage(zeros: spans.reduce(0) { $0 + $1.count } * mine)
    withExtendedLifetime((own, sent)) {
      bytes.exchange(
        UnsafeRawBufferPointer(start: source, count: 4 * own.count * piece.range.count),
        counts: slices.map { 4 * own.count * $0.count },
        into: UnsafeMutableRawBufferPointer(start: received.base, count: 4 * received.count),
        received: spans.map { 4 * $0.count * mine })
    }
    let summed = SliceSum(tree: tree, nodes: Array(spans.joined()), values: received, count: mine).root()
    withExtendedLifetime((received, total)) {
      bytes.gather(
        UnsafeRawBufferPointer(start: summed, count: 4 * mine),
        into: UnsafeMutableRawBufferPointer(start: total.base + piece.range.lowerBound, count: 4 * piece.range.count),
        counts: slices.map { 4 * $0.count })
    }
  }
}

/// A part of the gradients, cut into a slice for each rank.
private struct Piece {
  let range: Range<Int>
  let slices: [Range<Int>]

  init(range: Range<Int>, ranks: Int) {
    self.range = range
    func border(_ rank: Int) -> Int { range.lowerBound + range.count * rank / ranks }
    slices = (0..<ranks).map { border($0)..<border($0 + 1) }
  }
}

/// The slices of several nodes, one behind the other, added up along the tree in place.
private struct SliceSum {
  let tree: ShardTree
  let nodes: [ShardTree.Node]
  let values: FloatStorage
  /// Numbers of a slice.
  let count: Int

  /// Where the sum of all is.
  func root() -> UnsafePointer<Float> {
    let places = Dictionary(uniqueKeysWithValues: nodes.enumerated().map { ($0.element, $0.offset) })
    func sum(_ node: ShardTree.Node) -> UnsafeMutablePointer<Float> {
      if let place = places[node] { return values.base + place * count }
      let first = sum(node.children.0), second = sum(node.children.1)
      ck_add(first, second, count)
      return first
    }
    return UnsafePointer(sum(.root))
  }
}
