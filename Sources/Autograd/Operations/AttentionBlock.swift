import Algorithms
import Kernels

/// Some queries of one sequence, for all heads, and the keys in their reach.
struct AttentionBlock {
  /// A sequence of queries and keys.
  struct Sequence {
    let example: Int
    /// The positions of its queries: all, the first ones, or if causal the last ones.
    let positions: Range<Int>
    /// Rows of k and v.
    let keys: Range<Int>
    let reach: AttentionReach
    /// Whether some block does not see all keys.
    var isPartial = false
  }

  private(set) var sequence: Sequence
  /// Rows of q.
  let queries: Range<Int>
  /// Their positions in the sequence.
  let positions: Range<Int>
  /// Positions of the keys that any of the queries sees, from a multiple of 16 on, so that padding ends with the
  /// sequence's.
  let reached: Range<Int>

  /// Rows of k and v.
  var keys: Range<Int> {
    (sequence.keys.lowerBound + reached.lowerBound)..<(sequence.keys.lowerBound + reached.upperBound)
  }
  /// The number of keys of the sequence.
  var total: Int { sequence.keys.count }
  var isFirst: Bool { positions.lowerBound == sequence.positions.lowerBound }
  var isLast: Bool { positions.upperBound == sequence.positions.upperBound }
  var isOnly: Bool { isFirst && isLast }
  /// Rows and columns of the scores, padded for products.
  var rows: Int { Products.padded(queries.count) }
  var columns: Int { Products.padded(reached.count) }

  /// The columns of the scores that query `index` sees.
  func visible(_ index: Int) -> Range<Int> {
    let seen = sequence.reach.keys(of: positions.lowerBound + index, count: total), first = reached.lowerBound
    return (seen.lowerBound - first)..<(seen.upperBound - first)
  }
}

extension AttentionBlock {
  /// The most scores of a block, all heads together: they should fit the second-level cache.
  private static let scores = 1 << 19

  /// The number of queries per block for a number of keys.
  private static func capacity(heads: Int, keys: Int) -> Int {
    let wanted = scores / (heads * Products.padded(keys)) / Products.rowMultiple * Products.rowMultiple
    return min(most, max(Products.rowMultiple, wanted))
  }
  private static let most = 128

  /// The sequences, with their rows of q.
  static func sequences(
    queries: PackedLayout, keys: PackedLayout, reach: AttentionReach
  ) -> [(sequence: Sequence, queries: Range<Int>)] {
    (0..<queries.sequences).map { index in
      let rows = queries.range(index), keys = keys.range(index)
      // If causal, fewer queries than keys are the last ones of the sequence.
      let skipped = reach.isCausal ? keys.count - rows.count : 0
      let sequence = Sequence(
        example: queries.examples[index], positions: skipped..<(skipped + rows.count), keys: keys, reach: reach)
      return (sequence, rows)
    }
  }

  /// All blocks, sequence by sequence.
  static func all(queries: PackedLayout, keys: PackedLayout, heads: Int, reach: AttentionReach) -> [AttentionBlock] {
    sequences(queries: queries, keys: keys, reach: reach).flatMap { sequence, rows -> [AttentionBlock] in
      let total = sequence.keys.count, widest = (reach.before ?? total) + (reach.after ?? total) + most
      var blocks = cut(sequence, rows, by: capacity(heads: heads, keys: min(total, widest)))
      let isPartial = blocks.contains { $0.reached.count < total }
      for index in blocks.indices { blocks[index].sequence.isPartial = isPartial }
      return blocks
    }
  }

  /// Blocks of `size` queries of a sequence, whose rows of q are `rows`.
  static func cut(_ sequence: Sequence, _ rows: Range<Int>, by size: Int) -> [AttentionBlock] {
    let total = sequence.keys.count, reach = sequence.reach
    return rows.chunks(ofCount: size).map { part in
      let first = sequence.positions.lowerBound + part.lowerBound - rows.lowerBound, end = first + part.count
      let begin = reach.keys(of: first, count: total).lowerBound / Products.rowMultiple * Products.rowMultiple
      return AttentionBlock(
        sequence: sequence, queries: part, positions: first..<end,
        reached: begin..<reach.keys(of: end - 1, count: total).upperBound)
    }
  }
}
