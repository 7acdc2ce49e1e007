import CKernels
import Kernels

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
  /// Gradients flow through the scores if there are `deltas`, Σ dO ∘ O of every row and head.
  func backward(_ dO: Buffer, deltas: Buffer?, dq: Buffer?, dk: Buffer?, dv: Buffer?) {
    let keys = apart(pass.k), values = apart(pass.v), parts = parts, groups = pass.keyValueHeads, d = headSize
    let rows = pass.sharing * Products.padded(blockQueries), widest = Self.backwardKeys, members = workspace.members
    func each(_ count: Int, _ precision: Precision) -> Buffer { workspace.allocate(members * count, precision) }
    let q = each(rows * d, precision), own = each(rows * d, precision), sums = each(rows * d, .float32)
    let s = each(rows * widest, .float32), ds = each(rows * widest, .float32)
    let p16 = precision == .bfloat16 ? each(rows * widest, .bfloat16) : s
    let ds16 = precision == .bfloat16 ? each(rows * widest, .bfloat16) : ds
    let scratch = each(2 * widest + Philox.dropoutGroup, .float32), needsScores = deltas != nil
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
        scratch: scratch.base + member * (2 * widest + Philox.dropoutGroup),
        dk: partsOfK.isEmpty ? nil : partsOfK[index].base + place,
        dv: partsOfV.isEmpty ? nil : partsOfV[index].base + place)
      for sum in [memory.dk, memory.dv] { sum?.update(repeating: 0, count: part.keys.count * d) }
      for block in part.blocks {
        backward(
          block, part, group, dO, deltas, keys, values, memory, workspace.products.member(member), dq)
      }
    }
    if let dk { gather(partsOfK, parts, into: dk) }
    if let dv { gather(partsOfV, parts, into: dv) }
  }

  private func backward(
    _ block: Block, _ part: Part, _ group: Int, _ dO: Buffer, _ deltas: Buffer?, _ keys: Buffer, _ values: Buffer,
    _ own: AttentionGradientMemory, _ products: Products, _ dq: Buffer?
  ) {
    let rows = pass.sharing * block.rows, d = headSize, offset = group * paddedTotal * d
    gather(pass.q.buffer, block, group, to: own.q)
    gather(dO, block, group, to: own.dO)
    own.dq.update(repeating: 0, count: rows * d)
    let q = dense(own.q, precision, d), dOutput = dense(own.dO, precision, d)
    let slopes = pass.softCap == nil ? nil : own.scratch + Self.backwardKeys + Philox.dropoutGroup
    for tile in tiles(block, Self.backwardKeys) {
      let count = tile.count, place = offset + tile.lowerBound * d, local = (tile.lowerBound - part.keys.lowerBound) * d
      let k = dense(keys.address(place, precision), precision, d)
      products.multiply(rows, count, d, q, k.transposed, into: Operand(own.s, stride: count))
      if deltas != nil {
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
        let is16 = precision == .bfloat16, place = (block.queries.lowerBound + index) * pass.heads + head
        ck_attention_gradient(
          s, own.ds + row * count, is16 ? own.p.assumingMemoryBound(to: UInt16.self) + row * count : nil,
          is16 ? own.derivative.assumingMemoryBound(to: UInt16.self) + row * count : nil,
          multipliers(head, position, tile, into: own.scratch), slopes.map { UnsafePointer($0) }, scale,
          pass.scoreRate, pass.logSums.base[place], deltas?.base[place] ?? 0, count)
      }
      clearSurplus(block, own.p, count)
      clearSurplus(block, own.derivative, count)
      if let dv = own.dv {
        products.multiply(
          count, d, rows, dense(own.p, precision, count).transposed, dOutput, into: Operand(dv + local, stride: d),
          accumulate: true)
      }
      guard deltas != nil else { continue }
      let derivative = dense(own.derivative, precision, count)
      if dq != nil {
        products.multiply(rows, d, count, derivative, k, into: Operand(own.dq, stride: d), accumulate: true)
      }
      if let dk = own.dk {
        products.multiply(
          count, d, rows, derivative.transposed, q, into: Operand(dk + local, stride: d), accumulate: true)
      }
    }
    guard deltas != nil, let dq else { return }
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
  let dk: UnsafeMutablePointer<Float>?
  let dv: UnsafeMutablePointer<Float>?
}
