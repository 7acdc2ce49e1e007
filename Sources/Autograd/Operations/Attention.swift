import CKernels
import Kernels

extension Tape {
  /// Softmax attention inside each sequence: O = dropout(softmax(Q Kᵀ / √D)) V per head (Vaswani et al.,
  /// arXiv 1706.03762, section 3.2), q [M, C], k and v [N, C] → [M, C], heads side by side in the columns.
  ///
  /// q may have fewer rows a sequence than k and v (only the classification token in the last layer). Scores exist
  /// for one block of queries at a time, and are computed again in the backward pass from the saved log-sums, so
  /// memory grows with the length and not with its square. Scores and probabilities are float32.
  public func attention(q: Tensor, k: Tensor, v: Tensor, heads: Int, dropout: Float, site: Int) -> Tensor {
    let output = make(
      q.layout, columns: q.columns, needsGradient: q.needsGradient || k.needsGradient || v.needsGradient,
      precision: q.precision)
    let pass = AttentionPass(
      tape: self, q: q, k: k, v: v, heads: heads, dropout: dropoutSource == nil ? 0 : dropout, site: site,
      logSums: workspace.allocate(q.rows * heads))
    pass.forward(into: output)
    if output.needsGradient {
      record { pass.backward(from: output) }
    }
    return output
  }
}

private struct AttentionPass {
  unowned let tape: Tape
  let q: Tensor, k: Tensor, v: Tensor
  let heads: Int
  let dropout: Float
  let site: Int
  let logSums: Buffer

  var columns: Int { q.columns }
  var headSize: Int { q.columns / heads }
  var scale: Float { 1 / Float(headSize).squareRoot() }
  var precision: Precision { q.precision }
  var workspace: Workspace { tape.workspace }

  /// Some queries of one sequence, with all heads.
  struct Block {
    let example: Int
    /// The first query's place in its sequence.
    let position: Int
    /// Rows in q.
    let queries: Range<Int>
    /// Rows in k and v.
    let keys: Range<Int>
    let isFirst: Bool, isOnly: Bool

    /// Rows and columns of the scores: more than there are queries and keys, as products need them.
    var rows: Int { Products.padded(queries.count) }
    var columns: Int { Products.padded(keys.count) }
  }

  /// Scores that are held at once, all heads together: they should stay in a core's second-level cache.
  static let blockScores = 1 << 19

  /// Queries of a block for so many keys.
  func capacity(keys: Int) -> Int {
    let wanted = Self.blockScores / (heads * Products.padded(keys)) / Products.rowMultiple * Products.rowMultiple
    return min(128, max(Products.rowMultiple, wanted))
  }

  func forEachBlock(_ body: (Block) -> Void) {
    for sequence in 0..<q.layout.sequences {
      let queries = q.layout.range(sequence), keys = k.layout.range(sequence)
      let capacity = capacity(keys: keys.count)
      for start in stride(from: queries.lowerBound, to: queries.upperBound, by: capacity) {
        body(
          Block(
            example: q.layout.examples[sequence], position: start - queries.lowerBound,
            queries: start..<min(start + capacity, queries.upperBound), keys: keys,
            isFirst: start == queries.lowerBound,
            isOnly: queries.count <= capacity))
      }
    }
  }

  /// The largest block's scores of one head.
  var largestHead: Int {
    var largest = 0
    forEachBlock { largest = max(largest, $0.rows * $0.columns) }
    return largest
  }

  /// The heads' rows from `row` on.
  func rows(_ base: UnsafeMutablePointer<Float>, _ precision: Precision, from row: Int) -> HeadOperand {
    HeadOperand(UnsafeMutableRawPointer(base) + row * columns * precision.byteCount, precision, .columns)
  }

  func rows(_ tensor: Tensor, from row: Int) -> HeadOperand { rows(tensor.buffer.base, precision, from: row) }

  func stacked(_ buffer: Buffer, _ precision: Precision) -> HeadOperand {
    HeadOperand(UnsafeMutableRawPointer(buffer.base), precision, .stacked)
  }

  /// s [H, rows, columns] = Q Kᵀ, with −∞ in the columns that are no keys, so that they get no probability.
  func scores(_ block: Block, _ s: Buffer) {
    workspace.products.multiply(
      heads: heads, block.rows, block.columns, headSize, rows(q, from: block.queries.lowerBound),
      rows(k, from: block.keys.lowerBound).transposed, into: stacked(s, .float32))
    let count = block.keys.count, surplus = block.columns - count
    guard surplus > 0 else { return }
    for row in 0..<(heads * block.rows) {
      (s.base + row * block.columns + count).update(repeating: -.infinity, count: surplus)
    }
  }

  /// Calls `body` for every query of every head with the place of its row in the scores, its row in q and its dropout
  /// multipliers.
  ///
  /// Sixteen queries of a head share a row of random numbers, so that short sequences waste none; their first query's
  /// place in the sequence names it, whatever the block.
  func forEachRow(
    _ block: Block, _ mask: Buffer?, _ body: (_ head: Int, _ at: Int, _ row: Int, _ mask: UnsafePointer<Float>?) -> Void
  ) {
    let tile = Self.maskTile, columns = block.columns
    for head in 0..<heads {
      for (index, row) in block.queries.enumerated() {
        if let mask, index % tile == 0 {
          let tiles = (block.keys.count + tile - 1) / tile
          tape.dropoutSource?.row(
            site, block.example, head * tiles + (block.position + index) / tile, dropout, mask.base, tile * columns)
        }
        body(
          head, (head * block.rows + index) * columns, row,
          mask.map { UnsafePointer($0.base + index % tile * columns) })
      }
    }
  }

  /// Queries that share a row of dropout multipliers.
  static let maskTile = 16

  /// Sets the rows of [H, rows, columns] that are no queries to zero.
  func clearSurplus(_ block: Block, _ buffer: Buffer, _ precision: Precision) {
    let surplus = (block.rows - block.queries.count) * block.columns
    guard surplus > 0 else { return }
    for head in 0..<heads {
      let at = (head * block.rows + block.queries.count) * block.columns
      switch precision {
      case .float32: (buffer.base + at).update(repeating: 0, count: surplus)
      case .bfloat16: (buffer.halves + at).update(repeating: 0, count: surplus)
      }
    }
  }

  /// Memory for the multipliers of a tile; nil without dropout.
  func makeMask() -> Buffer? {
    guard dropout > 0 else { return nil }
    var largest = 0
    forEachBlock { largest = max(largest, $0.columns) }
    return workspace.allocate(Self.maskTile * largest)
  }

  func forward(into output: Tensor) {
    let largest = heads * largestHead
    let s = workspace.allocate(largest), mask = makeMask()
    let p = precision == .float32 ? s : workspace.allocate(largest, .bfloat16)
    forEachBlock { block in
      scores(block, s)
      let count = block.columns
      forEachRow(block, mask) { head, at, row, mask in
        logSums.base[row * heads + head] = ck_softmax(s.base + at, scale, count)
        switch precision {
        case .float32: if let mask { multiplyFloats(s.base + at, mask, count) }
        case .bfloat16: ck_narrow_product(p.halves + at, s.base + at, mask, count)
        }
      }
      clearSurplus(block, p, precision)
      workspace.products.multiply(
        heads: heads, block.rows, headSize, count, stacked(p, precision), rows(v, from: block.keys.lowerBound),
        into: rows(output, from: block.queries.lowerBound))
    }
    output.clearPadding()
  }

  /// With P the probabilities, M dropout's multipliers and δ = Σ dO ∘ O of a row: dV = (P ∘ M)ᵀ dO,
  /// dS = P ∘ (M ∘ (dO Vᵀ) − δ) / √D, dQ = dS K, dK = dSᵀ Q.
  func backward(from output: Tensor) {
    guard let dO = output.slot.take() else { return }
    let largest = heads * largestHead, products = workspace.products
    let p = workspace.allocate(largest), ds = workspace.allocate(largest), mask = makeMask()
    // What products read: the same buffers in float32, rounded copies in bfloat16.
    let dropped = precision == .bfloat16 || dropout > 0 ? workspace.allocate(largest, precision) : p
    let derivative = precision == .bfloat16 ? workspace.allocate(largest, .bfloat16) : ds
    let needsScores = q.needsGradient || k.needsGradient
    let dq = target(q), dk = target(k), dv = target(v)
    forEachBlock { block in
      let count = block.columns
      let gradient = rows(dO.base, precision, from: block.queries.lowerBound)
      scores(block, p)
      if needsScores {
        products.multiply(
          heads: heads, block.rows, count, headSize, gradient, rows(v, from: block.keys.lowerBound).transposed,
          into: stacked(ds, .float32))
      }
      forEachRow(block, mask) { head, at, row, mask in
        ck_softmax_again(p.base + at, scale, logSums.base[row * heads + head], count)
        switch precision {
        case .float32:
          if let mask {
            (dropped.base + at).update(from: p.base + at, count: count)
            multiplyFloats(dropped.base + at, mask, count)
          }
        case .bfloat16: ck_narrow_product(dropped.halves + at, p.base + at, mask, count)
        }
        guard needsScores else { return }
        let delta = dot(dO, output, at: row * columns + head * headSize)
        ck_softmax_backward(p.base + at, ds.base + at, mask, delta, scale, count)
        if precision == .bfloat16 { ck_narrow_bfloat16(derivative.halves + at, ds.base + at, count) }
      }
      clearSurplus(block, dropped, precision)
      if needsScores { clearSurplus(block, derivative, precision) }
      if let dv {
        products.multiply(
          heads: heads, count, headSize, block.rows, stacked(dropped, precision).transposed, gradient,
          into: dv.keys(block, self), accumulate: !block.isFirst)
        dv.finish(block, self)
      }
      if let dq {
        products.multiply(
          heads: heads, block.rows, headSize, count, stacked(derivative, precision),
          rows(k, from: block.keys.lowerBound), into: rows(dq.buffer.base, precision, from: block.queries.lowerBound))
      }
      if let dk {
        products.multiply(
          heads: heads, count, headSize, block.rows, stacked(derivative, precision).transposed,
          rows(q, from: block.queries.lowerBound), into: dk.keys(block, self), accumulate: !block.isFirst)
        dk.finish(block, self)
      }
    }
    for gradient in [dq, dk, dv].compactMap({ $0 }) {
      gradient.slot.shape.clearPadding(gradient.buffer)
      gradient.slot.add(moving: gradient.buffer, in: workspace)
    }
  }

  private func dot(_ a: Buffer, _ b: Tensor, at: Int) -> Float {
    switch precision {
    case .float32: ck_dot(a.base + at, b.base + at, headSize)
    case .bfloat16: ck_half_dot(a.halves + at, b.halves + at, headSize)
    }
  }

  /// A gradient in the making; nil where none is wanted.
  private func target(_ tensor: Tensor) -> Target? {
    guard tensor.needsGradient else { return nil }
    return Target(slot: tensor.slot, buffer: tensor.shape.allocate(in: workspace), sums: sums(tensor))
  }

  /// Where several blocks of queries add to the same keys, bfloat16 gradients are summed in float32.
  private func sums(_ tensor: Tensor) -> Buffer? {
    guard precision == .bfloat16, tensor !== q else { return nil }
    var rows = 0
    forEachBlock { if !$0.isOnly { rows = max(rows, $0.columns) } }
    return rows == 0 ? nil : workspace.allocate(rows * columns)
  }

  struct Target {
    let slot: GradientSlot
    let buffer: Buffer
    let sums: Buffer?

    /// Where the block's keys are written.
    func keys(_ block: Block, _ pass: AttentionPass) -> HeadOperand {
      if let sums, !block.isOnly { return pass.rows(sums.base, .float32, from: 0) }
      return pass.rows(buffer.base, pass.precision, from: block.keys.lowerBound)
    }

    /// Rounds a sequence's sums once its last block has been added.
    func finish(_ block: Block, _ pass: AttentionPass) {
      guard let sums, !block.isOnly, block.isLast(in: pass.q.layout) else { return }
      ck_narrow_bfloat16(
        buffer.halves + block.keys.lowerBound * pass.columns, sums.base, block.keys.count * pass.columns)
    }
  }
}

extension AttentionPass.Block {
  /// Whether no block of the same sequence follows.
  func isLast(in layout: PackedLayout) -> Bool { layout.offsets.contains(queries.upperBound) }
}
