import CKernels
import Foundation
import Kernels

/// Attention inside a long sequence, whose scores never leave the cache: tiles of some queries and some keys, with a softmax
/// that is carried from tile to tile (Milakov & Gimelshein, arXiv 1805.02867; as in FlashAttention, arXiv 2205.14135).
///
/// Query heads that share keys are multiplied together. The heads' keys and values are copied apart first, so that products
/// read dense matrices. Tiles follow from the sequence alone, and so do the sums of gradients, at any number of threads.
struct AttentionTiles {
  let pass: AttentionPass
  let sequence: AttentionBlock.Sequence
  /// The rows of q.
  let queries: Range<Int>

  /// Sequences of more keys are worth the copies.
  static let shortest = 256
  /// The same where heads share keys: those of a group have gaps between their rows, for which oneDNN has no fast path.
  static let shortestOfGroups = 16

  static let forwardKeys = 512
  static let backwardKeys = 256
  /// Query rows of a tile, all heads that share keys together.
  static let tileRows = 256
  /// Queries whose gradients of keys are summed apart, so that several threads have work.
  static let partQueries = 512
  static let mostParts = 8

  var tape: Tape { pass.tape }
  var workspace: Workspace { pass.workspace }
  var precision: Precision { pass.precision }
  var headSize: Int { pass.headSize }
  var total: Int { sequence.keys.count }
  var paddedTotal: Int { Products.padded(total) }
  var reach: AttentionReach { sequence.reach }

  /// Queries of a block.
  var blockQueries: Int { max(16, Self.tileRows / pass.sharing / 32 * 32) }

  typealias Block = AttentionBlock
  var blocks: [Block] { Block.cut(sequence, queries, by: blockQueries) }

  /// The keys of tiles: whole ones, then what is left in steps of 64, so that there are few shapes.
  func tiles(_ block: Block, _ size: Int) -> [Range<Int>] {
    stride(from: block.reached.lowerBound, to: block.reached.upperBound, by: size).map { first in
      let left = min(size, block.reached.upperBound - first)
      return first..<min(paddedTotal, first + (left + 63) / 64 * 64)
    }
  }

  // MARK: - Copies

  /// Rows of one head of q, k or v, one after the other; the surplus is zero.
  func copy(
    _ source: Buffer, _ precision: Precision, rows: Range<Int>, columns: Int, head: Int,
    to target: UnsafeMutableRawPointer, padded: Int
  ) {
    let size = headSize * precision.byteCount
    for (index, row) in rows.enumerated() {
      (target + index * size).copyMemory(
        from: source.address(row * columns + head * headSize, precision), byteCount: size)
    }
    (target + rows.count * size).initializeMemory(as: UInt8.self, repeating: 0, count: (padded - rows.count) * size)
  }

  /// The heads of k or v apart: [K, T, D].
  func apart(_ tensor: Tensor) -> Buffer {
    let heads = pass.keyValueHeads, buffer = workspace.allocate(heads * paddedTotal * headSize, precision)
    workspace.forEach(heads, work: heads * total * headSize) { head, _ in
      copy(
        tensor.buffer, precision, rows: sequence.keys, columns: tensor.columns, head: head,
        to: buffer.address(head * paddedTotal * headSize, precision), padded: paddedTotal)
    }
    return buffer
  }

  func dense(_ address: UnsafeMutableRawPointer, _ precision: Precision, _ columns: Int) -> Operand {
    Operand(address, precision, stride: columns)
  }

  /// The query heads of a block, one below the other: [sharing · rows, D].
  func gather(_ source: Buffer, _ block: Block, _ group: Int, to target: UnsafeMutableRawPointer) {
    for member in 0..<pass.sharing {
      copy(
        source, precision, rows: block.queries, columns: pass.columns, head: group * pass.sharing + member,
        to: target + member * block.rows * headSize * precision.byteCount, padded: block.rows)
    }
  }

  /// Calls `body` for every query of the heads of a group, with its number in the block and its row in the tile.
  func forEachRow(_ block: Block, _ group: Int, _ body: (_ head: Int, _ index: Int, _ row: Int) -> Void) {
    for member in 0..<pass.sharing {
      for index in block.queries.indices {
        body(
          group * pass.sharing + member, index - block.queries.lowerBound,
          member * block.rows + index - block.queries.lowerBound)
      }
    }
  }

  // MARK: - Scores

  /// Turns products q · k of one query with the keys of a tile into scores, −∞ for keys that it does not see. Returns the
  /// factor that is left to the softmax, or nil if it sees none of them.
  func finish(
    _ s: UnsafeMutablePointer<Float>, _ position: Int, _ keys: Range<Int>, slope: UnsafeMutablePointer<Float>?
  ) -> Float? {
    let seen = reach.keys(of: position, count: total).clamped(to: keys)
    if seen.isEmpty { return nil }
    if let cap = pass.softCap { ck_soft_cap(s, pass.scale, cap, slope, keys.count) }
    s.update(repeating: -.infinity, count: seen.lowerBound - keys.lowerBound)
    (s + (seen.upperBound - keys.lowerBound)).update(repeating: -.infinity, count: keys.upperBound - seen.upperBound)
    return pass.scoreRate
  }

  /// The dropout multipliers of one query's probabilities for the keys of a tile; nil without dropout.
  func multipliers(
    _ head: Int, _ position: Int, _ keys: Range<Int>, into scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float>? {
    guard pass.dropout > 0, let source = tape.dropoutSource else { return nil }
    return AttentionMask.part(
      source, pass.site, sequence, pass.dropout, head: head, position: position, keys: keys, into: scratch)
  }

  /// Counts what the products of other threads, or of a pass on shapes alone, do not count here.
  func count(_ scores: Int, products: Int) {
    if workspace.members > 1 || !workspace.computes { workspace.products.count(scores, headSize, products) }
  }

  // MARK: - Forward

  /// Writes the output's rows and the log-sums.
  func forward(into output: Tensor) {
    let keys = apart(pass.k), values = apart(pass.v), blocks = blocks, groups = pass.keyValueHeads
    let rows = pass.sharing * Products.padded(blockQueries), widest = Self.forwardKeys, members = workspace.members
    let q = workspace.allocate(members * rows * headSize, precision)
    let sums = workspace.allocate(members * rows * headSize), s = workspace.allocate(members * rows * widest)
    let p = precision == .bfloat16 ? workspace.allocate(members * rows * widest, .bfloat16) : s
    let statistics = workspace.allocate(members * 2 * rows)
    let scratch = workspace.allocate(members * (widest + Philox.dropoutGroup))
    let work = blocks.reduce(0) { $0 + $1.reached.count * $1.queries.count } * pass.heads
    count(work, products: 2)
    workspace.forEach(groups * blocks.count, work: work) { piece, member in
      // The longest first, for an even end.
      let block = blocks[blocks.count - 1 - piece / groups], group = piece % groups
      let own = AttentionTileMemory(
        q: q.address(member * rows * headSize, precision), sums: sums.base + member * rows * headSize,
        s: s.base + member * rows * widest, p: p.address(member * rows * widest, precision),
        tops: statistics.base + 2 * member * rows, totals: statistics.base + (2 * member + 1) * rows,
        scratch: scratch.base + member * (widest + Philox.dropoutGroup))
      forward(block, group, keys, values, own, workspace.products.member(member), output)
    }
  }

  func forward(
    _ block: Block, _ group: Int, _ keys: Buffer, _ values: Buffer, _ own: AttentionTileMemory, _ products: Products,
    _ output: Tensor
  ) {
    let rows = pass.sharing * block.rows, d = headSize, offset = group * paddedTotal * d
    gather(pass.q.buffer, block, group, to: own.q)
    own.sums.update(repeating: 0, count: rows * d)
    own.tops.update(repeating: -.infinity, count: rows)
    own.totals.update(repeating: 0, count: rows)
    for tile in tiles(block, Self.forwardKeys) {
      let count = tile.count, place = offset + tile.lowerBound * d
      products.multiply(
        rows, count, d, dense(own.q, precision, d), dense(keys.address(place, precision), precision, d).transposed,
        into: Operand(own.s, stride: count))
      forEachRow(block, group) { head, index, row in
        let s = own.s + row * count, position = block.positions.lowerBound + index
        guard let scale = finish(s, position, tile, slope: nil) else {
          return clear(own.p, row * count, count)
        }
        let factor = ck_softmax_tile(
          s, precision == .bfloat16 ? own.p.assumingMemoryBound(to: UInt16.self) + row * count : nil,
          multipliers(head, position, tile, into: own.scratch), scale, own.tops + row, own.totals + row, count)
        if factor != 1 { ck_scale(own.sums + row * d, factor, d) }
      }
      clearSurplus(block, own.p, count)
      products.multiply(
        rows, d, count, dense(own.p, precision, count), dense(values.address(place, precision), precision, d),
        into: Operand(own.sums, stride: d), accumulate: true)
    }
    forEachRow(block, group) { head, index, row in
      ck_scale(own.sums + row * d, 1 / own.totals[row], d)
      let target = block.queries.lowerBound + index
      output.buffer.store(own.sums + row * d, at: target * pass.columns + head * d, d, precision)
      pass.logSums.base[target * pass.heads + head] = own.tops[row] * pass.scoreRate + log(own.totals[row])
    }
  }

  func clear(_ memory: UnsafeMutableRawPointer, _ first: Int, _ count: Int) {
    (memory + first * precision.byteCount).initializeMemory(
      as: UInt8.self, repeating: 0, count: count * precision.byteCount)
  }

  /// Zeroes the rows of a tile between the heads.
  func clearSurplus(_ block: Block, _ memory: UnsafeMutableRawPointer, _ count: Int) {
    let surplus = block.rows - block.queries.count
    guard surplus > 0 else { return }
    for member in 0..<pass.sharing {
      clear(memory, (member * block.rows + block.queries.count) * count, surplus * count)
    }
  }
}

/// A thread's memory for one tile.
struct AttentionTileMemory {
  let q: UnsafeMutableRawPointer
  /// What tiles have added up: the output, or the gradient of q.
  let sums: UnsafeMutablePointer<Float>
  /// Scores.
  let s: UnsafeMutablePointer<Float>
  /// Probabilities as products read them: the scores' memory in float32.
  let p: UnsafeMutableRawPointer
  let tops: UnsafeMutablePointer<Float>
  let totals: UnsafeMutablePointer<Float>
  /// Dropout multipliers.
  let scratch: UnsafeMutablePointer<Float>
}
