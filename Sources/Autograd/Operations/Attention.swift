import Algorithms
import CKernels
import Kernels

extension Tape {
  /// Softmax attention inside each sequence: O = dropout(softmax(scale · Q Kᵀ)) V per head (Vaswani et al.,
  /// arXiv 1706.03762, section 3.2, where scale is 1 / √D), q [M, H·D], k and v [N, K·D] → [M, H·D], heads side by side
  /// in the columns. If K is less than H, each H / K neighbouring query heads share a key and value head (arXiv
  /// 2305.13245).
  ///
  /// With `causal`, a token sees only itself and earlier ones. q may have fewer rows per sequence than k and v: the first
  /// tokens (in an encoder's last layer, the classification token), or if causal the last ones. Scores are computed for
  /// one block of queries at a time, and again in the backward pass from saved log-sums, so memory is linear in the
  /// length. Scores and probabilities are float32.
  public func attention(
    q: Tensor, k: Tensor, v: Tensor, heads: Int, keyValueHeads: Int? = nil, reach: AttentionReach = .all,
    scale: Float? = nil, softCap: Float? = nil, relative: RelativePositions? = nil, dropout: Float, site: Int
  ) -> Tensor {
    precondition(softCap == nil && relative == nil && (reach == .all || reach == .causal), "not yet")
    let causal = reach.isCausal
    let keyValueHeads = keyValueHeads ?? heads
    precondition(heads % keyValueHeads == 0)
    precondition(k.columns == q.columns / heads * keyValueHeads && v.columns == k.columns)
    let output = make(
      q.layout, columns: q.columns, needsGradient: q.needsGradient || k.needsGradient || v.needsGradient,
      precision: q.precision)
    let pass = AttentionPass(
      tape: self, q: q, k: k, v: v, heads: heads, keyValueHeads: keyValueHeads, causal: causal,
      scale: scale ?? 1 / Float(q.columns / heads).squareRoot(), dropout: dropoutSource == nil ? 0 : dropout,
      site: site, logSums: workspace.allocate(q.rows * heads))
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
  let scale: Float
  let dropout: Float
  let site: Int
  let logSums: Buffer

  var columns: Int { q.columns }
  var headSize: Int { q.columns / heads }
  /// The number of query heads that share a key and value head.
  var sharing: Int { heads / keyValueHeads }
  var precision: Precision { q.precision }
  var workspace: Workspace { tape.workspace }

  /// Some queries of one sequence, for all heads.
  struct Block {
    let example: Int
    /// The first query's position in its sequence.
    let position: Int
    /// Rows of q.
    let queries: Range<Int>
    /// Rows of k and v that the queries see.
    let keys: Range<Int>
    /// The number of keys of the sequence.
    let total: Int
    /// Whether queries do not see later keys.
    let causal: Bool
    let isFirst: Bool, isLast: Bool

    var isOnly: Bool { isFirst && isLast }
    /// Rows and columns of the scores, padded for products.
    var rows: Int { Products.padded(queries.count) }
    var columns: Int { Products.padded(keys.count) }
    /// The number of keys that query `index` sees.
    func visible(_ index: Int) -> Int { causal ? position + index + 1 : keys.count }
  }

  /// The most scores of a block, all heads together: they should fit the second-level cache.
  static let blockScores = 1 << 19

  /// The number of queries per block for a number of keys.
  func capacity(keys: Int) -> Int {
    let wanted = Self.blockScores / (heads * Products.padded(keys)) / Products.rowMultiple * Products.rowMultiple
    return min(128, max(Products.rowMultiple, wanted))
  }

  /// All blocks, sequence by sequence.
  var blocks: [Block] {
    (0..<q.layout.sequences).flatMap { sequence in
      let queries = q.layout.range(sequence), keys = k.layout.range(sequence)
      // If causal, fewer queries than keys are the last ones of the sequence.
      let skipped = causal ? keys.count - queries.count : 0
      return queries.chunks(ofCount: capacity(keys: keys.count)).map { part in
        let seen = causal ? skipped + part.upperBound - queries.lowerBound : keys.count
        return Block(
          example: q.layout.examples[sequence], position: skipped + part.lowerBound - queries.lowerBound,
          queries: part, keys: keys.prefix(seen), total: keys.count, causal: causal,
          isFirst: part.lowerBound == queries.lowerBound, isLast: part.upperBound == queries.upperBound)
      }
    }
  }

  /// The query heads that are number `member` among those that share a key and value head, from row `row` on.
  func queries(_ buffer: Buffer, from row: Int, _ member: Int) -> Operand {
    Operand(
      buffer.address(row * columns + member * headSize, precision), precision, stride: columns,
      headStride: sharing * headSize)
  }

  /// The key or value heads from row `row` on.
  func keys(_ buffer: Buffer, _ precision: Precision, from row: Int) -> Operand {
    Operand(buffer.address(row * k.columns, precision), precision, stride: k.columns, headStride: headSize)
  }

  /// The scores of the heads of `queries`, in [H, rows, columns].
  func scores(_ buffer: Buffer, _ precision: Precision, _ block: Block, _ member: Int) -> Operand {
    let size = block.rows * block.columns
    return Operand(
      buffer.address(member * size, precision), precision, stride: block.columns, headStride: sharing * size)
  }

  /// s [H, rows, columns] = A Bᵀ for query rows A and key rows B.
  func multiply(_ block: Block, _ a: Buffer, _ b: Tensor, into s: Buffer) {
    workspace.products.multiply(groups: sharing, heads: keyValueHeads, block.rows, block.columns, headSize) { member in
      (
        queries(a, from: block.queries.lowerBound, member),
        keys(b.buffer, precision, from: block.keys.lowerBound).transposed, scores(s, .float32, block, member)
      )
    }
  }

  /// Query rows = S B for scores S and key rows B.
  func multiply(_ block: Block, _ s: Buffer, _ b: Tensor, intoQueries c: Buffer) {
    workspace.products.multiply(groups: sharing, heads: keyValueHeads, block.rows, headSize, block.columns) { member in
      (
        scores(s, precision, block, member), keys(b.buffer, precision, from: block.keys.lowerBound),
        queries(c, from: block.queries.lowerBound, member)
      )
    }
  }

  /// Key rows = Sᵀ A, or += after the first block of a sequence, for scores S and query rows A.
  func multiply(_ block: Block, transposed s: Buffer, _ a: Buffer, into c: Operand) {
    for member in 0..<sharing {
      workspace.products.multiply(
        heads: keyValueHeads, block.columns, headSize, block.rows, accumulate: !block.isFirst || member > 0
      ) { _ in
        (scores(s, precision, block, member).transposed, queries(a, from: block.queries.lowerBound, member), c)
      }
    }
  }

  /// Calls `body` for every query of every head, several heads at a time if there is a team, with the offset of its row
  /// in the scores, its row in q, the number of keys it sees, and its dropout multipliers.
  ///
  /// Sixteen queries of a head share a row of random numbers, so that short sequences waste few. The row depends on their
  /// position in the sequence, not on the block.
  func forEachRow(
    _ block: Block, _ mask: Buffer?,
    _ body: (_ head: Int, _ at: Int, _ row: Int, _ visible: Int, _ mask: UnsafePointer<Float>?) -> Void
  ) {
    let tile = Self.maskTile, width = Products.padded(block.total)
    workspace.forEach(heads, work: heads * block.rows * block.columns) { head, member in
      // Every thread has its own multipliers.
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

  /// The number of queries that share a row of dropout multipliers.
  static let maskTile = 16

  /// Zeroes the padding rows of [H, rows, columns].
  func clearSurplus(_ block: Block, _ buffer: Buffer, _ precision: Precision) {
    let surplus = (block.rows - block.queries.count) * block.columns
    guard surplus > 0, buffer.computes else { return }
    for head in 0..<heads {
      buffer.clear(at: (head * block.rows + block.queries.count) * block.columns, surplus, precision)
    }
  }

  /// Memory for the multipliers of a tile per thread; nil without dropout.
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
        case .float32: if let mask { ck_multiply(s.base + at, mask, count) }
        case .bfloat16: ck_narrow_product(p.bf16 + at, s.base + at, mask, count)
        }
      }
      clearSurplus(block, p, precision)
      multiply(block, p, v, intoQueries: output.buffer)
    }
    output.clearPadding()
  }

  /// Gives keys that a query does not see the probability 0.
  private func hide(_ row: UnsafeMutablePointer<Float>, _ count: Int, after visible: Int) {
    if visible < count { (row + visible).update(repeating: -.infinity, count: count - visible) }
  }

  /// With P the probabilities, M the dropout multipliers and δ = Σ dO ∘ O of a row: dV = (P ∘ M)ᵀ dO,
  /// dS = P ∘ (M ∘ (dO Vᵀ) − δ) / √D, dQ = dS K, dK = dSᵀ Q.
  func backward(from output: Tensor) {
    guard let dO = output.slot.take() else { return }
    let blocks = blocks, largest = heads * (blocks.map { $0.rows * $0.columns }.max() ?? 0)
    let p = workspace.allocate(largest), ds = workspace.allocate(largest), mask = makeMask(blocks)
    // Products read these: the same buffers in float32, rounded copies in bfloat16.
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
            ck_multiply(dropped.base + at, mask, count)
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

  /// A new gradient; nil if it is not needed.
  private func target(_ tensor: Tensor, _ blocks: [Block]) -> Target? {
    guard tensor.needsGradient else { return nil }
    var sums: Buffer?
    // Several products that add to the same keys are summed in float32. Sums also start from zero if a later block sees
    // more keys than the first.
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

    /// The destination of a block's key rows.
    func keys(_ block: Block, _ pass: AttentionPass) -> Operand {
      guard let sums, pass.needsSums(block) else {
        return pass.keys(buffer, pass.precision, from: block.keys.lowerBound)
      }
      // The first block overwrites the keys that it sees; later ones add.
      let written = block.columns * pass.k.columns, all = Products.padded(block.total) * pass.k.columns
      if block.isFirst, sums.computes { (sums.base + written).update(repeating: 0, count: all - written) }
      return pass.keys(sums, .float32, from: 0)
    }

    /// Copies a sequence's sums after its last block.
    func finish(_ block: Block, _ pass: AttentionPass) {
      guard let sums, pass.needsSums(block), block.isLast, sums.computes else { return }
      buffer.store(
        sums.base, at: block.keys.lowerBound * pass.k.columns, block.total * pass.k.columns, pass.precision)
    }
  }
}
