import CKernels
import Kernels

extension Tape {
  /// Softmax attention inside each sequence: O = dropout(softmax(Q Kᵀ / √D)) V per head (Vaswani et al.,
  /// arXiv 1706.03762, section 3.2), q [M, H·D], k and v [N, K·D] → [M, H·D], heads side by side in the columns. Where
  /// there are fewer key and value heads K than H, H / K neighbouring queries' heads share one (arXiv 2305.13245).
  ///
  /// q may have fewer rows a sequence than k and v: the first tokens (only the classification token in the last layer),
  /// or with `causal`, where a token sees itself and those before it, the last. Scores exist for one block of queries
  /// at a time, and are computed again in the backward pass from the saved log-sums, so memory grows with the length
  /// and not with its square. Scores and probabilities are float32.
  public func attention(
    q: Tensor, k: Tensor, v: Tensor, heads: Int, keyValueHeads: Int? = nil, causal: Bool = false, dropout: Float,
    site: Int
  ) -> Tensor {
    let keyValueHeads = keyValueHeads ?? heads
    precondition(heads % keyValueHeads == 0)
    precondition(k.columns == q.columns / heads * keyValueHeads && v.columns == k.columns)
    let output = make(
      q.layout, columns: q.columns, needsGradient: q.needsGradient || k.needsGradient || v.needsGradient,
      precision: q.precision)
    let pass = AttentionPass(
      tape: self, q: q, k: k, v: v, heads: heads, keyValueHeads: keyValueHeads, causal: causal,
      dropout: dropoutSource == nil ? 0 : dropout, site: site, logSums: workspace.allocate(q.rows * heads))
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
  let keyValueHeads: Int
  let causal: Bool
  let dropout: Float
  let site: Int
  let logSums: Buffer

  var columns: Int { q.columns }
  var headSize: Int { q.columns / heads }
  /// Queries' heads that share a head of keys and values.
  var sharing: Int { heads / keyValueHeads }
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
    /// Rows in k and v that any of the queries sees.
    let keys: Range<Int>
    /// Keys of the whole sequence.
    let total: Int
    /// Whether a query sees no later key.
    let causal: Bool
    let isFirst: Bool, isLast: Bool

    var isOnly: Bool { isFirst && isLast }
    /// Rows and columns of the scores: more than there are queries and keys, as products need them.
    var rows: Int { Products.padded(queries.count) }
    var columns: Int { Products.padded(keys.count) }
    /// How many of `keys` query number `index` sees.
    func visible(_ index: Int) -> Int { causal ? position + index + 1 : keys.count }
  }

  /// Scores that are held at once, all heads together: they should stay in a core's second-level cache.
  static let blockScores = 1 << 19

  /// Queries of a block for so many keys.
  func capacity(keys: Int) -> Int {
    let wanted = Self.blockScores / (heads * Products.padded(keys)) / Products.rowMultiple * Products.rowMultiple
    return min(128, max(Products.rowMultiple, wanted))
  }

  /// All blocks; those of a sequence one after the other.
  var blocks: [Block] {
    (0..<q.layout.sequences).flatMap { sequence in
      let queries = q.layout.range(sequence), keys = k.layout.range(sequence)
      // Fewer queries than keys are the sequence's last ones where a token sees only what came before.
      let skipped = causal ? keys.count - queries.count : 0
      let capacity = capacity(keys: keys.count)
      return stride(from: queries.lowerBound, to: queries.upperBound, by: capacity).map { start in
        let end = min(start + capacity, queries.upperBound)
        let seen = causal ? skipped + end - queries.lowerBound : keys.count
        return Block(
          example: q.layout.examples[sequence], position: skipped + start - queries.lowerBound, queries: start..<end,
          keys: keys.prefix(seen), total: keys.count, causal: causal, isFirst: start == queries.lowerBound,
          isLast: end == queries.upperBound)
      }
    }
  }

  /// The matrices of the heads that are number `member` of those that share a head of keys and values, from row `row`
  /// on; of all heads where none share.
  func queries(_ buffer: Buffer, from row: Int, _ member: Int) -> HeadOperand {
    HeadOperand(
      UnsafeMutableRawPointer(buffer.base) + (row * columns + member * headSize) * precision.byteCount, precision,
      stride: columns, headStride: sharing * headSize)
  }

  /// The matrices of the keys' and values' heads from row `row` on.
  func keys(_ buffer: Buffer, _ precision: Precision, from row: Int) -> HeadOperand {
    HeadOperand(
      UnsafeMutableRawPointer(buffer.base) + row * k.columns * precision.byteCount, precision, stride: k.columns,
      headStride: headSize)
  }

  /// The scores [H, rows, columns] of the same heads as in `queries`.
  func scores(_ buffer: Buffer, _ precision: Precision, _ block: Block, _ member: Int) -> HeadOperand {
    let size = block.rows * block.columns
    return HeadOperand(
      UnsafeMutableRawPointer(buffer.base) + member * size * precision.byteCount, precision, stride: block.columns,
      headStride: sharing * size)
  }

  /// s [H, rows, columns] = A Bᵀ for queries' rows A and keys' rows B.
  func multiply(_ block: Block, _ a: Buffer, _ b: Tensor, into s: Buffer) {
    workspace.products.multiply(groups: sharing, heads: keyValueHeads, block.rows, block.columns, headSize) { member in
      (
        queries(a, from: block.queries.lowerBound, member),
        keys(b.buffer, precision, from: block.keys.lowerBound).transposed, scores(s, .float32, block, member)
      )
    }
  }

  /// Queries' rows = S B for scores S and keys' rows B.
  func multiply(_ block: Block, _ s: Buffer, _ b: Tensor, intoQueries c: Buffer) {
    workspace.products.multiply(groups: sharing, heads: keyValueHeads, block.rows, headSize, block.columns) { member in
      (
        scores(s, precision, block, member), keys(b.buffer, precision, from: block.keys.lowerBound),
        queries(c, from: block.queries.lowerBound, member)
      )
    }
  }

  /// Keys' rows = Sᵀ A, or += where the block is not the first of its sequence, for scores S and queries' rows A.
  func multiply(_ block: Block, transposed s: Buffer, _ a: Buffer, into c: HeadOperand) {
    for member in 0..<sharing {
      workspace.products.multiply(
        heads: keyValueHeads, block.columns, headSize, block.rows, accumulate: !block.isFirst || member > 0
      ) { _ in
        (scores(s, precision, block, member).transposed, queries(a, from: block.queries.lowerBound, member), c)
      }
    }
  }

  /// Calls `body` for every query of every head, several heads at a time where there is a team, with the place of its row in the scores, its row in q, how many keys it
  /// sees and its dropout multipliers.
  ///
  /// Sixteen queries of a head share a row of random numbers, so that short sequences waste none; their place in the
  /// sequence names it, whatever the block.
  func forEachRow(
    _ block: Block, _ mask: Buffer?,
    _ body: (_ head: Int, _ at: Int, _ row: Int, _ visible: Int, _ mask: UnsafePointer<Float>?) -> Void
  ) {
    let tile = Self.maskTile, width = Products.padded(block.total)
    workspace.forEach(heads, work: heads * block.rows * block.columns) { head, member in
      // Every thread has multipliers of its own.
      let mask = mask.map { $0.base + member * tile * width }
      for (index, row) in block.queries.enumerated() {
        let place = block.position + index
        if let mask, index == 0 || place % tile == 0 {
          let tiles = (block.total + tile - 1) / tile
          tape.dropoutSource?.row(
            site, block.example, head * tiles + place / tile, dropout, mask, tile * width)
        }
        body(
          head, (head * block.rows + index) * block.columns, row, block.visible(index),
          mask.map { UnsafePointer($0 + place % tile * width) })
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
      case .bfloat16: (buffer.bf16 + at).update(repeating: 0, count: surplus)
      }
    }
  }

  /// Memory for the multipliers of a tile, for each thread; nil without dropout.
  func makeMask(_ blocks: [Block]) -> Buffer? {
    guard dropout > 0 else { return nil }
    return workspace.allocate(workspace.members * Self.maskTile * (blocks.map { Products.padded($0.total) }.max() ?? 0))
  }

  func forward(into output: Tensor) {
    let blocks = blocks, largest = heads * (blocks.map { $0.rows * $0.columns }.max() ?? 0)
    let s = workspace.allocate(largest), mask = makeMask(blocks)
    let p = precision == .float32 ? s : workspace.allocate(largest, .bfloat16)
    for block in blocks {
      multiply(block, q.buffer, k, into: s)
      let count = block.columns
      forEachRow(block, mask) { head, at, row, visible, mask in
        hide(s.base + at, count, after: visible)
        logSums.base[row * heads + head] = ck_softmax(s.base + at, scale, count)
        switch precision {
        case .float32: if let mask { multiplyFloats(s.base + at, mask, count) }
        case .bfloat16: ck_narrow_product(p.bf16 + at, s.base + at, mask, count)
        }
      }
      clearSurplus(block, p, precision)
      multiply(block, p, v, intoQueries: output.buffer)
    }
    output.clearPadding()
  }

  /// Keys that a query does not see get no probability.
  private func hide(_ row: UnsafeMutablePointer<Float>, _ count: Int, after visible: Int) {
    if visible < count { (row + visible).update(repeating: -.infinity, count: count - visible) }
  }

  /// With P the probabilities, M dropout's multipliers and δ = Σ dO ∘ O of a row: dV = (P ∘ M)ᵀ dO,
  /// dS = P ∘ (M ∘ (dO Vᵀ) − δ) / √D, dQ = dS K, dK = dSᵀ Q.
  func backward(from output: Tensor) {
    guard let dO = output.slot.take() else { return }
    let blocks = blocks, largest = heads * (blocks.map { $0.rows * $0.columns }.max() ?? 0)
    let p = workspace.allocate(largest), ds = workspace.allocate(largest), mask = makeMask(blocks)
    // What products read: the same buffers in float32, rounded copies in bfloat16.
    let dropped = precision == .bfloat16 || dropout > 0 ? workspace.allocate(largest, precision) : p
    let derivative = precision == .bfloat16 ? workspace.allocate(largest, .bfloat16) : ds
    let needsScores = q.needsGradient || k.needsGradient
    let dq = target(q, blocks), dk = target(k, blocks), dv = target(v, blocks)
    for block in blocks {
      let count = block.columns
      multiply(block, q.buffer, k, into: p)
      if needsScores { multiply(block, dO, v, into: ds) }
      forEachRow(block, mask) { head, at, row, visible, mask in
        hide(p.base + at, count, after: visible)
        ck_softmax_again(p.base + at, scale, logSums.base[row * heads + head], count)
        switch precision {
        case .float32:
          if let mask {
            (dropped.base + at).update(from: p.base + at, count: count)
            multiplyFloats(dropped.base + at, mask, count)
          }
        case .bfloat16: ck_narrow_product(dropped.bf16 + at, p.base + at, mask, count)
        }
        guard needsScores else { return }
        let delta = dot(dO, output, at: row * columns + head * headSize)
        ck_softmax_backward(p.base + at, ds.base + at, mask, delta, scale, count)
        if precision == .bfloat16 { ck_narrow_bfloat16(derivative.bf16 + at, ds.base + at, count) }
      }
      clearSurplus(block, dropped, precision)
      if needsScores { clearSurplus(block, derivative, precision) }
      if let dv {
        multiply(block, transposed: dropped, dO, into: dv.keys(block, self))
        dv.finish(block, self)
      }
      if let dq { multiply(block, derivative, k, intoQueries: dq.buffer) }
      if let dk {
        multiply(block, transposed: derivative, q.buffer, into: dk.keys(block, self))
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
    case .bfloat16: ck_bf16_dot(a.bf16 + at, b.bf16 + at, headSize)
    }
  }

  /// A gradient in the making; nil where none is wanted.
  private func target(_ tensor: Tensor, _ blocks: [Block]) -> Target? {
    guard tensor.needsGradient else { return nil }
    var sums: Buffer?
    // Where several products add to the same keys, their sum is float32; so is it where a first block sees fewer keys
    // than a later one, which must not add to what was there.
    if tensor !== q, let rows = blocks.filter({ needsSums($0) }).map({ Products.padded($0.total) }).max() {
      sums = workspace.allocate(rows * tensor.columns)
    }
    return Target(slot: tensor.slot, buffer: tensor.shape.allocate(in: workspace), sums: sums)
  }

  private func needsSums(_ block: Block) -> Bool {
    !block.isOnly && (causal || precision == .bfloat16) || sharing > 1 && precision == .bfloat16
  }

  struct Target {
    let slot: GradientSlot
    let buffer: Buffer
    let sums: Buffer?

    /// Where the block's keys are written.
    func keys(_ block: Block, _ pass: AttentionPass) -> HeadOperand {
      guard let sums, pass.needsSums(block) else {
        return pass.keys(buffer, pass.precision, from: block.keys.lowerBound)
      }
      // The first block overwrites the keys that it sees; later ones add.
      let written = block.columns * pass.k.columns, all = Products.padded(block.total) * pass.k.columns
      if block.isFirst { (sums.base + written).update(repeating: 0, count: all - written) }
      return pass.keys(sums, .float32, from: 0)
    }

    /// Takes over a sequence's sums once its last block has been added.
    func finish(_ block: Block, _ pass: AttentionPass) {
      guard let sums, pass.needsSums(block), block.isLast else { return }
      let at = block.keys.lowerBound * pass.k.columns, count = block.total * pass.k.columns
      switch pass.precision {
      case .float32: (buffer.base + at).update(from: sums.base, count: count)
      case .bfloat16: ck_narrow_bfloat16(buffer.bf16 + at, sums.base, count)
      }
    }
  }
}
