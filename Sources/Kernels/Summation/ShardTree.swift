/// The tree over a batch's shards along which their gradients are added: a function of the number of shards alone, so
/// that sums have the same bits however shards are divided among threads and processes.
///
/// A node stands for all shards of one residue: `Node(c, m)` for those ≡ c modulo m, where m is a power of two. It is a
/// leaf if that is shard c alone, else the sum of (c, 2m) and (c + m, 2m). Residues rather than blocks, since then every
/// number of processes gets equal shares.
public struct ShardTree: Sendable, Equatable {
  /// Leaves of the tree.
  public let shards: Int
  /// The shards from left to right. Every node is a span of it.
  public let order: [Int]

  /// The shards ≡ `residue` modulo `modulus`.
  public struct Node: Sendable, Hashable {
    /// The first of its shards.
    public let residue: Int
    /// A power of two.
    public let modulus: Int

    /// A node.
    public init(_ residue: Int, _ modulus: Int) { (self.residue, self.modulus) = (residue, modulus) }

    /// The sum of all shards.
    public static let root = Node(0, 1)

    /// The node that this one is added to.
    public var parent: Node { Node(residue % (modulus / 2), modulus / 2) }
    /// What it is added to there.
    public var sibling: Node { Node((residue + modulus / 2) % modulus, modulus) }
    /// The two nodes that it is the sum of, unless it is a leaf.
    public var children: (Node, Node) { (Node(residue, 2 * modulus), Node(residue + modulus, 2 * modulus)) }
    /// Whether it is the first of its parent's two.
    var isFirst: Bool { residue < modulus / 2 }
  }

  /// The tree over `shards` shards.
  public init(shards: Int) {
    self.shards = shards
    var order: [Int] = [], open = shards > 0 ? [Node.root] : []
    while let node = open.popLast() {
      if node.residue + node.modulus >= shards {
        order.append(node.residue)
      } else {
        open += [node.children.1, node.children.0]
      }
    }
    self.order = order
  }

  /// Whether `node` is one shard.
  public func isLeaf(_ node: Node) -> Bool { node.residue + node.modulus >= shards }

  /// The leaf of a shard.
  public func leaf(_ shard: Int) -> Node {
    var modulus = 1
    while shard % modulus + modulus < shards { modulus *= 2 }
    return Node(shard % modulus, modulus)
  }

  /// Divides `order` into spans for `ranks` processes.
  ///
  /// None has more than ⌈shards / ranks⌉, and as few nodes as possible are cut: of the places that leave this open, the
  /// border of the shallowest node is taken, of several the nearest to equal shares. With more ranks than shards, the
  /// first ones have one each.
  public func spans(ranks: Int) -> [Range<Int>] {
    let most = max(1, (shards + ranks - 1) / ranks)
    var borders = [0]
    for rank in 1..<max(1, ranks) {
      let before = borders[rank - 1], ideal = Double(shards * rank) / Double(ranks)
      let allowed = max(before, shards - (ranks - rank) * most)...min(before + most, shards)
      let best = allowed.min {
        (depth(ofBorder: $0), abs(Double($0) - ideal), $0) < (depth(ofBorder: $1), abs(Double($1) - ideal), $1)
      }
      borders.append(ranks > shards ? min(rank, shards) : best ?? before)
    }
    return zip(borders, borders.dropFirst() + [shards]).map { $0..<$1 }
  }

  /// The fewest nodes that a span of `order` is made of, from left to right.
  public func nodes(of span: Range<Int>) -> [Node] {
    var nodes: [Node] = [], open = shards > 0 ? [(node: Node.root, span: order.indices)] : []
    while let (node, place) = open.popLast() {
      if place.clamped(to: span) == place {
        nodes.append(node)
      } else if place.overlaps(span) {
        let (first, second) = node.children
        let middle = place.lowerBound + count(first)
        open += [(second, middle..<place.upperBound), (first, place.lowerBound..<middle)]
      }
    }
    return nodes
  }

  /// The most storages that are in use at once while `workers` threads add shards up: what a thread works on, and sums
  /// that wait for their siblings. With all shards up to some place of the order done, at most log₂ of them wait:
  /// someone can always go on.
  public func storages(workers: Int) -> Int { 2 * workers + Int.bitWidth - shards.leadingZeroBitCount }

  /// Shards of a node.
  private func count(_ node: Node) -> Int { (shards - node.residue + node.modulus - 1) / node.modulus }

  /// The depth of the largest node that begins or ends in front of the place `border` of `order`.
  private func depth(ofBorder border: Int) -> Int {
    // A node's first shard is its residue: the largest that begins with shard x has the least modulus above x.
    border == 0 || border == shards ? 0 : Int.bitWidth - order[border].leadingZeroBitCount
  }
}
