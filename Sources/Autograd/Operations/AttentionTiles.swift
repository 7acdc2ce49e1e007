import Algorithms
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

  private static let forwardKeys = 512
  private static let backwardKeys = 256
  /// Query rows of a tile, all heads that share keys together.
  private static let tileRows = 256
  /// Queries whose gradients of keys are summed apart, so that several threads have work.
  private static let partQueries = 512
  private static let mostParts = 8

  private var tape: Tape { pass.tape }
  private var workspace: Workspace { pass.workspace }
  private var precision: Precision { pass.precision }
  private var headSize: Int { pass.headSize }
  private var total: Int { sequence.keys.count }
  private var paddedTotal: Int { Products.padded(total) }
  private var reach: AttentionReach { sequence.reach }

  /// Queries of a block.
  private var blockQueries: Int { max(16, Self.tileRows / pass.sharing / 32 * 32) }

  /// Some queries, for the heads that share one key and value head.
  private struct Block {
    /// Rows of q.
    let queries: Range<Int>
    /// Their positions in the sequence.
    let positions: Range<Int>
    /// The positions of the keys that any of them sees, from a multiple of 16 on.
    let reached: Range<Int>
    /// Rows of a head in a tile.
    let rows: Int
  }

  private var blocks: [Block] {
    queries.chunks(ofCount: blockQueries).map { part in
      let first = sequence.positions.lowerBound + part.lowerBound - queries.lowerBound, end = first + part.count
      let begin = reach.keys(of: first, count: total).lowerBound / Products.rowMultiple * Products.rowMultiple
      return Block(
        queries: part, positions: first..<end, reached: begin..<reach.keys(of: end - 1, count: total).upperBound,
        rows: Products.padded(part.count))
    }
  }

  /// The keys of tiles: whole ones, then what is left in steps of 64, so that there are few shapes.
  private func tiles(_ block: Block, _ size: Int) -> [Range<Int>] {
    stride(from: block.reached.lowerBound, to: block.reached.upperBound, by: size).map { first in
      let left = min(size, block.reached.upperBound - first)
      return first..<min(paddedTotal, first + (left + 63) / 64 * 64)
    }
  }

  // MARK: - Copies

  /// Rows of one head of q, k or v, one after the other; the surplus is zero.
  private func copy(
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
  private func apart(_ tensor: Tensor) -> Buffer {
    let heads = pass.keyValueHeads, buffer = workspace.allocate(heads * paddedTotal * headSize, precision)
    workspace.forEach(heads, work: heads * total * headSize) { head, _ in
      copy(
        tensor.buffer, precision, rows: sequence.keys, columns: tensor.columns, head: head,
        to: buffer.address(head * paddedTotal * headSize, precision), padded: paddedTotal)
    }
    return buffer
  }

  private func dense(_ address: UnsafeMutableRawPointer, _ precision: Precision, _ columns: Int) -> Operand {
    Operand(address, precision, stride: columns)
  }

  /// The query heads of a block, one below the other: [sharing · rows, D].
  private func gather(_ source: Buffer, _ block: Block, _ group: Int, to target: UnsafeMutableRawPointer) {
    for member in 0..<pass.sharing {
      copy(
        source, precision, rows: block.queries, columns: pass.columns, head: group * pass.sharing + member,
        to: target + member * block.rows * headSize * precision.byteCount, padded: block.rows)
    }
  }

  /// Calls `body` for every query of the heads of a group, with its row in the tile, and clears the rows between heads.
  private func forEachRow(_ block: Block, _ group: Int, _ body: (_ head: Int, _ index: Int, _ row: Int) -> Void) {
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
  private func finish(
    _ s: UnsafeMutablePointer<Float>, _ position: Int, _ keys: Range<Int>, slope: UnsafeMutablePointer<Float>?
  ) -> Float? {
    let seen = reach.keys(of: position, count: total).clamped(to: keys)
    if seen.isEmpty { return nil }
    if let cap = pass.softCap { ck_soft_cap(s, pass.scale, cap, slope, keys.count) }
    s.update(repeating: -.infinity, count: seen.lowerBound - keys.lowerBound)
    (s + (seen.upperBound - keys.lowerBound)).update(repeating: -.infinity, count: keys.upperBound - seen.upperBound)
    return pass.softCap == nil ? pass.scale : 1
  }

  /// The dropout multipliers of one query's probabilities for the keys of a tile; nil without dropout. They are those of
  /// `AttentionMask`.
  private func multipliers(
    _ head: Int, _ position: Int, _ keys: Range<Int>, into scratch: UnsafeMutablePointer<Float>
  ) -> UnsafePointer<Float>? {
    guard pass.dropout > 0, let source = tape.dropoutSource else { return nil }
    let tile = AttentionMask.tile, first = position % tile * paddedTotal + keys.lowerBound
    let start = first / Philox.dropoutGroup * Philox.dropoutGroup
    source.row(
      pass.site, sequence.example, head * ((total + tile - 1) / tile) + position / tile, pass.dropout, scratch,
      tile * paddedTotal, part: start..<(first + keys.count))
    return UnsafePointer(scratch + (first - start))
  }

  /// Counts what the products of other threads, or of a pass on shapes alone, do not count here.
  private func count(_ scores: Int, products: Int) {
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

  private func forward(
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
      // A cap has had its scale already.
      let scale = pass.softCap == nil ? pass.scale : 1
      pass.logSums.base[target * pass.heads + head] = own.tops[row] * scale + log(own.totals[row])
    }
  }

  private func clear(_ memory: UnsafeMutableRawPointer, _ first: Int, _ count: Int) {
    (memory + first * precision.byteCount).initializeMemory(
      as: UInt8.self, repeating: 0, count: count * precision.byteCount)
  }

  /// Zeroes the rows of a tile between the heads.
  private func clearSurplus(_ block: Block, _ memory: UnsafeMutableRawPointer, _ count: Int) {
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

// MARK: - Backward

extension AttentionTiles {
  /// Queries whose gradients of keys and values are summed apart.
  private struct Part {
    let blocks: ArraySlice<Block>
    /// The keys that they see.
    let keys: Range<Int>
  }

  /// Parts of about equal work.
  private var parts: [Part] {
    let blocks = blocks, work = blocks.map { $0.reached.count * $0.queries.count }, all = work.reduce(0, +)
    let count = min(Self.mostParts, max(1, queries.count / Self.partQueries))
    var parts: [Part] = [], first = 0, done = 0
    for (index, own) in work.enumerated() {
      done += own
      guard done * count >= all * (parts.count + 1) || index == work.count - 1 else { continue }
      let chosen = blocks[first...index]
      let seen = chosen.flatMap { tiles($0, Self.backwardKeys) }
      let keys = (seen.map(\.lowerBound).min() ?? 0)..<(seen.map(\.upperBound).max() ?? 0)
      parts.append(Part(blocks: chosen, keys: keys))
      first = index + 1
    }
    return parts
  }

  /// Adds the gradients of the sequence's rows to those of the whole: dQ to `dq`, and so on where they are asked for.
  func backward(_ dO: Buffer, _ output: Tensor, dq: Buffer?, dk: Buffer?, dv: Buffer?, needsScores: Bool) {
    let keys = apart(pass.k), values = apart(pass.v), parts = parts, groups = pass.keyValueHeads, d = headSize
    let rows = pass.sharing * Products.padded(blockQueries), widest = Self.backwardKeys, members = workspace.members
    func each(_ count: Int, _ precision: Precision) -> Buffer { workspace.allocate(members * count, precision) }
    let q = each(rows * d, precision), own = each(rows * d, precision), sums = each(rows * d, .float32)
    let s = each(rows * widest, .float32), ds = each(rows * widest, .float32)
    let p16 = precision == .bfloat16 ? each(rows * widest, .bfloat16) : s
    let ds16 = precision == .bfloat16 ? each(rows * widest, .bfloat16) : ds
    let scratch = each(2 * widest + Philox.dropoutGroup, .float32), deltas = each(rows, .float32)
    let sizes = parts.map { groups * $0.keys.count * d }
    func partial(_ wanted: Bool) -> [Buffer] { wanted ? sizes.map { workspace.allocate($0) } : [] }
    let partsOfV = partial(dv != nil), partsOfK = partial(dk != nil && needsScores)
    let work = parts.flatMap(\.blocks).reduce(0) { $0 + $1.reached.count * $1.queries.count } * pass.heads
    count(work, products: needsScores ? 5 : 2)
    workspace.forEach(groups * parts.count, work: work) { piece, member in
      let index = piece / groups, group = piece % groups, part = parts[index], place = group * part.keys.count * d
      let memory = AttentionGradientMemory(
        q: q.address(member * rows * d, precision), dO: own.address(member * rows * d, precision),
        dq: sums.base + member * rows * d, s: s.base + member * rows * widest, ds: ds.base + member * rows * widest,
        p: p16.address(member * rows * widest, precision), derivative: ds16.address(member * rows * widest, precision),
        scratch: scratch.base + member * (2 * widest + Philox.dropoutGroup), deltas: deltas.base + member * rows,
        dk: partsOfK.isEmpty ? nil : partsOfK[index].base + place,
        dv: partsOfV.isEmpty ? nil : partsOfV[index].base + place)
      for sum in [memory.dk, memory.dv] { sum?.update(repeating: 0, count: part.keys.count * d) }
      for block in part.blocks {
        backward(
          block, part, group, dO, output, keys, values, memory, workspace.products.member(member), dq,
          needsScores: needsScores)
      }
    }
    if let dk { gather(partsOfK, parts, into: dk) }
    if let dv { gather(partsOfV, parts, into: dv) }
  }

  private func backward(
    _ block: Block, _ part: Part, _ group: Int, _ dO: Buffer, _ output: Tensor, _ keys: Buffer, _ values: Buffer,
    _ own: AttentionGradientMemory, _ products: Products, _ dq: Buffer?, needsScores: Bool
  ) {
    let rows = pass.sharing * block.rows, d = headSize, offset = group * paddedTotal * d
    gather(pass.q.buffer, block, group, to: own.q)
    gather(dO, block, group, to: own.dO)
    own.dq.update(repeating: 0, count: rows * d)
    if needsScores {
      forEachRow(block, group) { head, index, row in
        own.deltas[row] = pass.dot(dO, output, at: (block.queries.lowerBound + index) * pass.columns + head * d)
      }
    }
    let q = dense(own.q, precision, d), dOutput = dense(own.dO, precision, d)
    let slopes = pass.softCap == nil ? nil : own.scratch + Self.backwardKeys + Philox.dropoutGroup
    for tile in tiles(block, Self.backwardKeys) {
      let count = tile.count, place = offset + tile.lowerBound * d, local = (tile.lowerBound - part.keys.lowerBound) * d
      let k = dense(keys.address(place, precision), precision, d)
      products.multiply(rows, count, d, q, k.transposed, into: Operand(own.s, stride: count))
      if needsScores {
        products.multiply(
          rows, count, d, dOutput, dense(values.address(place, precision), precision, d).transposed,
          into: Operand(own.ds, stride: count))
      }
      forEachRow(block, group) { head, index, row in
        let s = own.s + row * count, position = block.positions.lowerBound + index
        guard let scale = finish(s, position, tile, slope: slopes) else {
          clear(own.p, row * count, count)
          return clear(own.derivative, row * count, count)
        }
        let is16 = precision == .bfloat16
        ck_attention_gradient_tile(
          s, own.ds + row * count, is16 ? own.p.assumingMemoryBound(to: UInt16.self) + row * count : nil,
          is16 ? own.derivative.assumingMemoryBound(to: UInt16.self) + row * count : nil,
          multipliers(head, position, tile, into: own.scratch), slopes.map { UnsafePointer($0) }, scale,
          slopes == nil ? pass.scale : 1, pass.logSums.base[(block.queries.lowerBound + index) * pass.heads + head],
          own.deltas[row], count)
      }
      clearSurplus(block, own.p, count)
      clearSurplus(block, own.derivative, count)
      if let dv = own.dv {
        products.multiply(
          count, d, rows, dense(own.p, precision, count).transposed, dOutput, into: Operand(dv + local, stride: d),
          accumulate: true)
      }
      guard needsScores else { continue }
      let derivative = dense(own.derivative, precision, count)
      if dq != nil {
        products.multiply(rows, d, count, derivative, k, into: Operand(own.dq, stride: d), accumulate: true)
      }
      if let dk = own.dk {
        products.multiply(
          count, d, rows, derivative.transposed, q, into: Operand(dk + local, stride: d), accumulate: true)
      }
    }
    guard needsScores, let dq else { return }
    forEachRow(block, group) { head, index, row in
      dq.store(
        own.dq + row * d, at: (block.queries.lowerBound + index) * pass.columns + head * d, d, precision)
    }
  }

  /// Adds up the parts of the gradient of keys or values, in their order, and writes it.
  private func gather(_ sums: [Buffer], _ parts: [Part], into target: Buffer) {
    let d = headSize, groups = pass.keyValueHeads, columns = pass.k.columns
    let total = workspace.allocate(workspace.members * d)
    workspace.forEachRange(of: self.total, numbers: groups * d) { range, member in
      let row = total.base + member * d
      for key in range {
        for group in 0..<groups {
          row.update(repeating: 0, count: d)
          for (part, sums) in zip(parts, sums) where part.keys.contains(key) {
            ck_add(row, sums.base + (group * part.keys.count + key - part.keys.lowerBound) * d, d)
          }
          target.store(row, at: (sequence.keys.lowerBound + key) * columns + group * d, d, precision)
        }
      }
    }
  }
}

/// A thread's memory for one tile of the backward pass, and its sums.
struct AttentionGradientMemory {
  let q: UnsafeMutableRawPointer
  let dO: UnsafeMutableRawPointer
  let dq: UnsafeMutablePointer<Float>
  let s: UnsafeMutablePointer<Float>
  let ds: UnsafeMutablePointer<Float>
  let p: UnsafeMutableRawPointer
  let derivative: UnsafeMutableRawPointer
  /// Dropout multipliers, and a cap's slopes.
  let scratch: UnsafeMutablePointer<Float>
  /// Σ dO ∘ O of every row.
  let deltas: UnsafeMutablePointer<Float>
  let dk: UnsafeMutablePointer<Float>?
  let dv: UnsafeMutablePointer<Float>?
}
