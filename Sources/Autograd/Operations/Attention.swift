import CKernels
import Kernels

extension Tape {
  /// Softmax attention inside each sequence: O = dropout(softmax(scale · Q Kᵀ)) V per head (Vaswani et al.,
  /// arXiv 1706.03762, section 3.2, where scale is 1 / √D), q [M, H·D], k and v [N, K·D] → [M, H·D], heads side by side
  /// in the columns. If K is less than H, each H / K neighbouring query heads share a key and value head (arXiv
  /// 2305.13245).
  ///
  /// q may have fewer rows per sequence than k and v: the first tokens (in an encoder's last layer, the classification
  /// token), or if `reach` is causal the last ones. Scores are computed for one block of queries and the keys in its reach
  /// at a time, and again in the backward pass from saved log-sums, so memory is linear in the length, and so is time if
  /// the reach is bounded. Scores and probabilities are float32.
  ///
  /// - Parameters:
  ///   - softCap: with c, softmax is of c · tanh(z / c) for scores z (Gemma 2, arXiv 2408.00118, section 2).
  ///   - relative: terms of the scores that depend on the difference of positions; not with `softCap`.
  public func attention(
    q: Tensor, k: Tensor, v: Tensor, heads: Int, keyValueHeads: Int? = nil, reach: AttentionReach = .all,
    scale: Float? = nil, softCap: Float? = nil, relative: RelativePositions? = nil, dropout: Float, site: Int
  ) -> Tensor {
    let keyValueHeads = keyValueHeads ?? heads
    precondition(heads % keyValueHeads == 0)
    precondition(k.columns == q.columns / heads * keyValueHeads && v.columns == k.columns)
    precondition(relative == nil || softCap == nil && keyValueHeads == heads)
    let pass = AttentionPass(
      tape: self, q: q, k: k, v: v, heads: heads, keyValueHeads: keyValueHeads, reach: reach,
      scale: scale ?? 1 / Float(q.columns / heads).squareRoot(), softCap: softCap, relative: relative,
      dropout: dropoutSource == nil ? 0 : dropout, site: site, logSums: workspace.allocate(q.rows * heads))
    let output = make(
      q.layout, columns: q.columns, needsGradient: pass.needsScoreGradients || v.needsGradient, precision: q.precision)
    pass.forward(into: output)
    if output.needsGradient {
      record { pass.backward(from: output) }
    }
    return output
  }
}

struct AttentionPass {
  unowned let tape: Tape
  let q: Tensor, k: Tensor, v: Tensor
  let heads: Int
  let keyValueHeads: Int
  let reach: AttentionReach
  let scale: Float
  let softCap: Float?
  let relative: RelativePositions?
  let dropout: Float
  let site: Int
  let logSums: Buffer

  /// What softmax multiplies scores by: a cap has had its scale already.
  var scoreRate: Float { softCap == nil ? scale : 1 }

  var columns: Int { q.columns }
  var headSize: Int { q.columns / heads }
  /// The number of query heads that share a key and value head.
  var sharing: Int { heads / keyValueHeads }
  var precision: Precision { q.precision }
  var workspace: Workspace { tape.workspace }

  typealias Block = AttentionBlock
  /// The blocks of short sequences.
  var blocks: [Block] {
    Block.all(queries: q.layout, keys: k.layout, heads: heads, reach: reach).filter { !isTiled($0.sequence) }
  }

  /// The long sequences.
  private var tiled: [AttentionTiles] {
    Block.sequences(queries: q.layout, keys: k.layout, reach: reach)
      .filter { isTiled($0.sequence) }.map { AttentionTiles(pass: self, sequence: $0, queries: $1) }
  }

  private func isTiled(_ sequence: Block.Sequence) -> Bool {
    relative == nil && sequence.positions.count > Products.rowMultiple
      && sequence.keys.count > (sharing > 1 ? AttentionTiles.shortestOfGroups : AttentionTiles.shortest)
  }

  private func makeMask(_ blocks: [Block]) -> AttentionMask? {
    AttentionMask(tape, probability: dropout, site: site, blocks)
  }

  /// Whether gradients flow through the scores.
  var needsScoreGradients: Bool {
    [q, k, relative?.keys, relative?.queries].contains { $0?.needsGradient == true }
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
  /// in the scores, its number in the block, the thread, and its dropout multipliers.
  func forEachRow(
    _ block: Block, _ mask: AttentionMask?,
    _ body: (_ head: Int, _ at: Int, _ index: Int, _ member: Int, _ mask: UnsafePointer<Float>?) -> Void
  ) {
    workspace.forEach(heads, work: heads * block.rows * block.columns) { head, member in
      for index in 0..<block.queries.count {
        body(
          head, (head * block.rows + index) * block.columns, index, member,
          mask?.row(block, head: head, index: index, member: member))
      }
    }
  }

  /// Zeroes the padding rows of [H, rows, columns].
  func clearSurplus(_ block: Block, _ buffer: Buffer, _ precision: Precision) {
    let surplus = (block.rows - block.queries.count) * block.columns
    guard surplus > 0, buffer.computes else { return }
    for head in 0..<heads {
      buffer.clear(at: (head * block.rows + block.queries.count) * block.columns, surplus, precision)
    }
  }

  func forward(into output: Tensor) {
    let blocks = blocks, largest = heads * (blocks.map { $0.rows * $0.columns }.max() ?? 0)
    let s = workspace.allocate(largest), mask = makeMask(blocks)
    let p = precision == .float32 ? s : workspace.allocate(largest, .bfloat16)
    let relative = relative.map { RelativeScores(self, $0, blocks) }
    for block in blocks {
      multiply(block, q.buffer, k, into: s)
      relative?.start(block)
      let count = block.columns
      forEachRow(block, mask) { head, at, index, _, mask in
        let rate = finishScores(s.base + at, block, head, index, relative, slope: nil)
        logSums.base[(block.queries.lowerBound + index) * heads + head] = ck_softmax(s.base + at, rate, count)
        switch precision {
        case .float32: if let mask { ck_multiply(s.base + at, mask, count) }
        case .bfloat16: ck_narrow_product(p.bf16 + at, s.base + at, mask, count)
        }
      }
      clearSurplus(block, p, precision)
      multiply(block, p, v, intoQueries: output.buffer)
    }
    for sequence in tiled { sequence.forward(into: output) }
    output.clearPadding()
  }

  /// Turns the products q · k of a query into scores, −∞ for keys that it does not see. Softmax multiplies them by the
  /// result. With a cap, its derivative goes to `slope`.
  private func finishScores(
    _ s: UnsafeMutablePointer<Float>, _ block: Block, _ head: Int, _ index: Int, _ relative: RelativeScores?,
    slope: UnsafeMutablePointer<Float>?
  ) -> Float {
    if let softCap { ck_soft_cap(s, scale, softCap, slope, block.columns) }
    relative?.add(to: s, block, head, index)
    let visible = block.visible(index)
    if visible.lowerBound > 0 { s.update(repeating: -.infinity, count: visible.lowerBound) }
    if visible.upperBound < block.columns {
      (s + visible.upperBound).update(repeating: -.infinity, count: block.columns - visible.upperBound)
    }
    return relative == nil ? scoreRate : 1
  }

  /// With P the probabilities, M the dropout multipliers and δ = Σ dO ∘ O of a row: dV = (P ∘ M)ᵀ dO,
  /// dS = P ∘ (M ∘ (dO Vᵀ) − δ) · scale, dQ = dS K, dK = dSᵀ Q. With a cap c, scale is multiplied by 1 − tanh².
  func backward(from output: Tensor) {
    guard let dO = output.slot.take() else { return }
    let blocks = blocks, largest = heads * (blocks.map { $0.rows * $0.columns }.max() ?? 0)
    let p = workspace.allocate(largest), ds = workspace.allocate(largest), mask = makeMask(blocks)
    let widest = blocks.map(\.columns).max() ?? 0
    let slopes = softCap.map { _ in workspace.allocate(workspace.members * widest) }
    // Products read these: the same buffers in float32, rounded copies in bfloat16.
    let dropped = precision == .bfloat16 ? workspace.allocate(largest, .bfloat16) : p
    let derivative = precision == .bfloat16 ? workspace.allocate(largest, .bfloat16) : ds
    let needsScores = needsScoreGradients, deltas = needsScores ? dots(dO, output) : nil
    let dq = target(q), dk = target(k, keysOf: blocks), dv = target(v, keysOf: blocks)
    let relative = relative.map { RelativeScores(self, $0, blocks, hasGradients: needsScores) }
    for block in blocks {
      let count = block.columns
      multiply(block, q.buffer, k, into: p)
      relative?.start(block)
      if needsScores { multiply(block, dO, v, into: ds) }
      forEachRow(block, mask) { head, at, index, member, mask in
        let row = block.queries.lowerBound + index, slope = slopes.map { $0.base + member * widest }
        let factor = finishScores(p.base + at, block, head, index, relative, slope: slope)
        // Terms of the scores read their gradient before it is rounded. Without gradients of scores ds is undefined.
        let rounds = precision == .bfloat16 && relative == nil
        ck_attention_gradient(
          p.base + at, ds.base + at, rounds ? dropped.bf16 + at : nil, rounds ? derivative.bf16 + at : nil, mask,
          slope.map { UnsafePointer($0) }, factor, scoreRate, logSums.base[row * heads + head],
          deltas?.base[row * heads + head] ?? 0, count)
        guard let relative else { return }
        if precision == .bfloat16 { ck_narrow_bfloat16(dropped.bf16 + at, p.base + at, count) }
        guard needsScores else { return }
        relative.addGradient(ds.base + at, block, head, index)
        if precision == .bfloat16 { ck_narrow_bfloat16(derivative.bf16 + at, ds.base + at, count) }
      }
      clearSurplus(block, dropped, precision)
      if needsScores { clearSurplus(block, derivative, precision) }
      if let dv {
        multiply(block, transposed: dropped, dO, into: dv.keys(block, self))
        dv.finish(block, self)
      }
      if let dq { multiply(block, derivative, k, intoQueries: dq.buffer) }
      if let dk { multiply(block, transposed: derivative, q.buffer, into: dk.keys(block, self)) }
      relative?.finish(block, dq: dq?.buffer, dk: dk?.sequence(block, self))
      dk?.finish(block, self)
    }
    for sequence in tiled {
      sequence.backward(
        dO, deltas: deltas, dq: dq?.buffer, dk: dk?.buffer, dv: dv?.buffer)
    }
    relative?.addToTables()
    for gradient in [dq, dk, dv].compactMap({ $0 }) {
      gradient.slot.shape.clearPadding(gradient.buffer)
      gradient.slot.add(moving: gradient.buffer, in: workspace)
    }
  }

  /// Σ A ∘ B of every row and head, [M, H].
  private func dots(_ a: Buffer, _ b: Tensor) -> Buffer {
    let sums = workspace.allocate(b.rows * heads)
    workspace.forEachRange(of: b.rows, numbers: columns) { range in
      let at = range.lowerBound * columns, out = sums.base + range.lowerBound * heads, count = range.count * heads
      switch precision {
      case .float32: ck_dots(a.base + at, b.base + at, out, count, headSize)
      case .bfloat16: ck_bf16_dots(a.bf16 + at, b.bf16 + at, out, count, headSize)
      }
    }
    return sums
  }

  /// A new gradient, of keys or values if their blocks are given; nil if it is not needed.
  private func target(_ tensor: Tensor, keysOf blocks: [Block] = []) -> Target? {
    guard tensor.needsGradient else { return nil }
    var sums: Buffer?
    // Several products that add to the same keys are summed in float32. Sums also start from zero if blocks see different
    // keys.
    if let rows = blocks.filter({ needsSums($0) }).map({ Products.padded($0.total) }).max() {
      sums = workspace.allocate(rows * tensor.columns)
    }
    return Target(slot: tensor.slot, buffer: tensor.shape.allocate(in: workspace), sums: sums)
  }

  private func needsSums(_ block: Block) -> Bool {
    block.sequence.isPartial || precision == .bfloat16 && (!block.isOnly || sharing > 1)
  }

  struct Target {
    let slot: GradientSlot
    let buffer: Buffer
    let sums: Buffer?

    /// The key rows of a block's sequence.
    func sequence(_ block: Block, _ pass: AttentionPass) -> Operand {
      guard let sums, pass.needsSums(block) else {
        return pass.keys(buffer, pass.precision, from: block.sequence.keys.lowerBound)
      }
      return pass.keys(sums, .float32, from: 0)
    }

    /// The destination of a block's key rows.
    func keys(_ block: Block, _ pass: AttentionPass) -> Operand {
      guard let sums, pass.needsSums(block) else { return sequence(block, pass) }
      // The first block overwrites the keys that it sees; later ones add.
      let columns = pass.k.columns, first = block.reached.lowerBound
      if block.isFirst, sums.computes {
        let end = first + block.columns, all = Products.padded(block.total)
        sums.base.update(repeating: 0, count: first * columns)
        if end < all { (sums.base + end * columns).update(repeating: 0, count: (all - end) * columns) }
      }
      return pass.keys(sums, .float32, from: first)
    }

    /// Copies a sequence's sums after its last block.
    func finish(_ block: Block, _ pass: AttentionPass) {
      guard let sums, pass.needsSums(block), block.isLast, sums.computes else { return }
      let columns = pass.k.columns
      buffer.store(sums.base, at: block.sequence.keys.lowerBound * columns, block.total * columns, pass.precision)
    }
  }
}
