import Kernels

/// The dropout multipliers of one attention's probabilities.
///
/// Sixteen queries of a head share a row of random numbers, so that short sequences waste few. The row depends on their
/// position in the sequence, not on the block.
struct AttentionMask {
  private let source: DropoutSource
  private let probability: Float
  private let site: Int
  /// Every thread has its own multipliers.
  private let buffer: Buffer
  private let each: Int

  /// The number of queries that share a row.
  private static let tile = 16

  /// Nil if dropout is off.
  init?(_ tape: Tape, probability: Float, site: Int, _ blocks: [AttentionBlock]) {
    guard probability > 0, let source = tape.dropoutSource else { return nil }
    (self.source, self.probability, self.site) = (source, probability, site)
    each = blocks.map { Self.isMadeByTile($0) ? Self.tile * $0.width : $0.columns + Philox.dropoutGroup }.max() ?? 0
    buffer = tape.workspace.allocate(tape.workspace.members * each)
  }

  /// Whether sixteen queries' multipliers are made at once. Where keys are out of reach, each query's are made alone.
  private static func isMadeByTile(_ block: AttentionBlock) -> Bool {
    block.columns + Philox.dropoutGroup >= block.width
  }

  /// The multipliers of query `index` for the block's keys, valid until the thread's next call. A thread asks for the
  /// queries of a head in their order.
  func row(_ block: AttentionBlock, head: Int, index: Int, member: Int) -> UnsafePointer<Float> {
    let place = block.positions.lowerBound + index, tile = Self.tile, width = block.width
    let multipliers = buffer.base + member * each
    let first = place % tile * width + block.reached.lowerBound
    if Self.isMadeByTile(block) {
      if index == 0 || place % tile == 0 {
        source.row(
          site, block.sequence.example, Self.row(head, place, block.sequence), probability, multipliers, tile * width)
      }
      return UnsafePointer(multipliers + first)
    }
    return Self.part(
      source, site, block.sequence, probability, head: head, position: place,
      keys: block.reached.lowerBound..<(block.reached.lowerBound + block.columns), into: multipliers)
  }

  /// The multipliers of the query at `position` for some keys, made alone in `scratch`, which has room for
  /// `Philox.dropoutGroup` more.
  static func part(
    _ source: DropoutSource, _ site: Int, _ sequence: AttentionBlock.Sequence, _ probability: Float, head: Int,
    position: Int, keys: Range<Int>, into scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float> {
    let width = Products.padded(sequence.keys.count), first = position % tile * width + keys.lowerBound
    let start = first / Philox.dropoutGroup * Philox.dropoutGroup
    source.row(
      site, sequence.example, row(head, position, sequence), probability, scratch, tile * width,
      part: start..<(first + keys.count))
    return UnsafePointer(scratch + (first - start))
  }

  /// The number of the row of random numbers that the query at `position` has.
  private static func row(_ head: Int, _ position: Int, _ sequence: AttentionBlock.Sequence) -> Int {
    head * ((sequence.keys.count + tile - 1) / tile) + position / tile
  }
}

extension AttentionBlock {
  /// The padded number of keys of the sequence.
  fileprivate var width: Int { Products.padded(total) }
}
