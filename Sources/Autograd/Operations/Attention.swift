import CKernels
import Kernels

extension Tape {
  /// Softmax attention inside each sequence: O = dropout(softmax(Q Kᵀ / √D)) V per head (Vaswani et al.,
  /// arXiv 1706.03762, section 3.2), q [M, H·D], k and v [N, K·D] → [M, H·D], heads side by side in the columns. Where
  /// there are fewer key and value heads K than H, H / K neighbouring queries' heads share one (arXiv 2305.13245).
  ///
  /// q may have fewer rows a sequence than k and v: the first tokens (only the classification token in the last layer),
  /// or with `causal`, where a token sees itself and those before it, the last. Scores exist for one block of queries
  /// of one head at a time, and are computed again in the backward pass from the saved log-sums, so memory grows with
  /// the length and not with its square.
  public func attention(
    q: Tensor, k: Tensor, v: Tensor, heads: Int, keyValueHeads: Int? = nil, causal: Bool = false, dropout: Float,
    site: Int
  ) -> Tensor {
    precondition(heads % (keyValueHeads ?? heads) == 0)
    precondition(k.columns == q.columns / heads * (keyValueHeads ?? heads) && v.columns == k.columns)
    let output = make(
      q.layout, columns: q.columns, needsGradient: q.needsGradient || k.needsGradient || v.needsGradient)
    let logSums = workspace.allocate(q.rows * heads)
    let pass = AttentionPass(
      tape: self, q: q, k: k, v: v, heads: heads, headsPerKey: heads / (keyValueHeads ?? heads), causal: causal,
      dropout: dropoutSource == nil ? 0 : dropout, site: site, logSums: logSums)
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
  let headsPerKey: Int
  let causal: Bool
  let dropout: Float
  let site: Int
  let logSums: Buffer

  /// Queries handled at once.
  static let block = 128

  var columns: Int { q.columns }
  var headSize: Int { q.columns / heads }
  var scale: Float { 1 / Float(headSize).squareRoot() }

  /// One block of queries of one head of one sequence.
  struct Block {
    let example: Int
    let head: Int
    /// Rows in q.
    let queries: Range<Int>
    /// The first query's place in its sequence.
    let position: Int
    /// Rows in k and v that any of the queries sees.
    let keys: Range<Int>
    /// Keys of the whole sequence.
    let total: Int
    /// Whether a query sees no later key.
    let causal: Bool

    /// How many of `keys` query number `index` sees.
    func visible(_ index: Int) -> Int { causal ? position + index + 1 : keys.count }
  }

  func forEachBlock(_ body: (Block) -> Void) {
    for sequence in 0..<q.layout.sequences {
      let queries = q.layout.range(sequence), keys = k.layout.range(sequence)
      // Fewer queries than keys are the sequence's last ones where a token sees only what came before.
      let skipped = causal ? keys.count - queries.count : 0
      for head in 0..<heads {
        for start in stride(from: queries.lowerBound, to: queries.upperBound, by: Self.block) {
          let end = min(start + Self.block, queries.upperBound)
          let seen = causal ? skipped + end - queries.lowerBound : keys.count
          body(
            Block(
              example: q.layout.examples[sequence], head: head, queries: start..<end,
              position: skipped + start - queries.lowerBound, keys: keys.prefix(seen), total: keys.count,
              causal: causal))
        }
      }
    }
  }

  var largestBlock: Int {
    let keys = (0..<k.layout.sequences).map { k.layout.range($0).count }.max() ?? 0
    return Self.block * keys
  }

  func view(_ base: UnsafeMutablePointer<Float>, _ row: Int, _ block: Block) -> MatrixView {
    MatrixView(base + row * columns + block.head * headSize, stride: columns)
  }

  func keyView(_ base: UnsafeMutablePointer<Float>, _ block: Block) -> MatrixView {
    MatrixView(
      base + block.keys.lowerBound * k.columns + block.head / headsPerKey * headSize, stride: k.columns)
  }

  /// s [queries, keys] = Q Kᵀ.
  func scores(_ block: Block, _ s: MatrixView) {
    multiply(
      block.queries.count, block.keys.count, headSize, view(q.base, block.queries.lowerBound, block),
      keyView(k.base, block).transposed, s)
  }

  func multipliers(_ block: Block, _ index: Int, _ into: UnsafeMutablePointer<Float>) {
    let row = block.head * block.total + block.position + index
    tape.dropoutSource?.row(site, block.example, row, dropout, into, block.total)
  }

  func forward(into output: Tensor) {
    let scratch = tape.workspace.allocate(largestBlock)
    let mask = tape.workspace.allocate(largestBlock / Self.block)
    forEachBlock { block in
      let count = block.keys.count
      let p = MatrixView(scratch.base, stride: count)
      scores(block, p)
      for (index, row) in block.queries.enumerated() {
        let at = p.base + index * count, visible = block.visible(index)
        logSums.base[row * heads + block.head] = ck_softmax(at, scale, visible)
        (at + visible).update(repeating: 0, count: count - visible)
        if dropout > 0 {
          multipliers(block, index, mask.base)
          multiplyFloats(at, mask.base, visible)
        }
      }
      multiply(
        block.queries.count, headSize, count, p, keyView(v.base, block),
        view(output.base, block.queries.lowerBound, block))
    }
  }

  /// With P the probabilities, M dropout's multipliers and δ = Σ dO ∘ O of a row: dV = (P ∘ M)ᵀ dO,
  /// dS = P ∘ (M ∘ (dO Vᵀ) − δ) / √D, dQ = dS K, dK = dSᵀ Q.
  func backward(from output: Tensor) {
    guard let dO = output.slot.view(columns) else { return }
    let workspace = tape.workspace
    let probabilities = workspace.allocate(largestBlock), derivatives = workspace.allocate(largestBlock)
    let mask = workspace.allocate(largestBlock / Self.block)
    let dropped = dropout > 0 ? workspace.allocate(largestBlock) : nil
    let dq = q.needsGradient ? q.slot.zeroedAccumulator(in: workspace) : nil
    let dk = k.needsGradient ? k.slot.zeroedAccumulator(in: workspace) : nil
    let dv = v.needsGradient ? v.slot.zeroedAccumulator(in: workspace) : nil
    forEachBlock { block in
      let rows = block.queries.count, count = block.keys.count
      let p = MatrixView(probabilities.base, stride: count), ds = MatrixView(derivatives.base, stride: count)
      let gradient = view(dO.base, block.queries.lowerBound, block)
      scores(block, p)
      if dq != nil || dk != nil {
        multiply(rows, count, headSize, gradient, keyView(v.base, block).transposed, ds)
      }
      for (index, row) in block.queries.enumerated() {
        let at = p.base + index * count, visible = block.visible(index)
        ck_softmax_again(at, scale, logSums.base[row * heads + block.head], visible)
        (at + visible).update(repeating: 0, count: count - visible)
        if let dropped {
          multipliers(block, index, mask.base)
          dropped.base.advanced(by: index * count).update(from: at, count: count)
          multiplyFloats(dropped.base + index * count, mask.base, visible)
        }
        let start = row * columns + block.head * headSize
        let delta = ck_dot(dO.base + start, output.base + start, headSize)
        if dq != nil || dk != nil {
          let slopes = ds.base + index * count
          ck_softmax_backward(at, slopes, dropped == nil ? nil : mask.base, delta, scale, visible)
          (slopes + visible).update(repeating: 0, count: count - visible)
        }
      }
      if let dv {
        multiply(
          count, headSize, rows, (dropped?.view(count) ?? p).transposed, gradient, beta: 1,
          keyView(dv, block))
      }
      if let dq {
        multiply(
          rows, headSize, count, ds, keyView(k.base, block), beta: 1,
          view(dq, block.queries.lowerBound, block))
      }
      if let dk {
        multiply(
          count, headSize, rows, ds.transposed, view(q.base, block.queries.lowerBound, block), beta: 1,
          keyView(dk, block))
      }
    }
  }
}
