import CKernels
import Kernels

extension Tape {
  /// Cross-entropy of the next tokens: −log softmax(h Wᵀ)[target] for every row of `hidden` [N, C] that has a target
  /// (−1: none), with the head's weight W [V, C].
  ///
  /// Logits exist for a slice of the rows at a time, and for none without a target: the gradient of Σ weight · loss
  /// with respect to h is formed with them, in the forward pass, and starts the backward one. With `smoothing` ε the
  /// loss is (1 − ε) · that + ε · the mean of −log softmax(h Wᵀ) over the vocabulary, as torch's `label_smoothing`.
  ///
  /// Returns the loss of every row, not weighted; 0 for rows without a target.
  public func languageModelLoss(
    _ hidden: Tensor, head: FrozenTensor, targets: [Int32], weights: [Float], smoothing: Float = 0
  ) -> [Double] {
    precondition(targets.count == hidden.rows && weights.count == hidden.rows && head.columns == hidden.columns)
    let rows = targets.indices.filter { targets[$0] >= 0 }, vocabulary = head.rows, columns = hidden.columns
    var losses = [Double](repeating: 0, count: hidden.rows)
    guard !rows.isEmpty else { return losses }
    let sliceRows = min(rows.count, HeadSlices.rows(vocabulary: vocabulary))
    let states = workspace.allocate(sliceRows * columns), logits = workspace.allocate(sliceRows * vocabulary)
    let gradient = hidden.needsGradient ? hidden.slot.zeroedAccumulator(in: workspace) : nil
    for start in stride(from: 0, to: rows.count, by: sliceRows) {
      let slice = rows[start..<min(start + sliceRows, rows.count)]
      for (index, row) in slice.enumerated() {
        (states.base + index * columns).update(from: hidden.row(row), count: columns)
      }
      headProducts(states, slice.count, head, logits)
      for (index, row) in slice.enumerated() {
        losses[row] = softmaxGradient(
          logits.base + index * vocabulary, vocabulary, target: Int(targets[row]), weight: weights[row], smoothing)
      }
      guard let gradient else { continue }
      headGradients(logits, slice.count, head, states)
      for (index, row) in slice.enumerated() {
        addFloats(gradient + row * columns, states.base + index * columns, columns)
      }
    }
    return losses
  }

  /// The logits h Wᵀ [N, V] of the rows of `hidden`; nothing flows back.
  public func languageModelLogits(_ hidden: Tensor, head: FrozenTensor, threads: Int = 1) -> Tensor {
    if hidden.rows <= Self.fewRows {
      let map = AdaptedLinear(FrozenLinear(weight: head, bias: nil), adapter: nil)
      return linearOfFew(hidden, [map], threads: threads)[0]
    }
    let logits = make(hidden.layout, columns: head.rows, needsGradient: false)
    headProducts(hidden.buffer, hidden.rows, head, logits.buffer)
    return logits
  }

  /// A row of logits z becomes weight · ∂loss/∂z; returns the loss.
  private func softmaxGradient(
    _ z: UnsafeMutablePointer<Float>, _ vocabulary: Int, target: Int, weight: Float, _ smoothing: Float
  ) -> Double {
    precondition(target < vocabulary)
    let wanted = Double(z[target]), epsilon = Double(smoothing)
    let mean = smoothing > 0 ? ck_sum(z, vocabulary) / Double(vocabulary) : 0
    let logSum = Double(ck_softmax(z, 1, vocabulary))
    ck_scale_shift(z, weight, -weight * smoothing / Float(vocabulary), vocabulary)
    z[target] -= weight * (1 - smoothing)
    return (1 - epsilon) * (logSum - wanted) + (smoothing > 0 ? epsilon * (logSum - mean) : 0)
  }

  /// logits [count, V] = states [count, C] Wᵀ.
  private func headProducts(_ states: Buffer, _ count: Int, _ head: FrozenTensor, _ logits: Buffer) {
    forEachPart(of: head) { first, part, w in
      multiply(
        count, part, head.columns, states.view(head.columns), MatrixView(w, stride: head.columns).transposed,
        MatrixView(logits.base + first, stride: head.rows))
    }
  }

  /// states [count, C] = gradients of logits [count, V] W.
  private func headGradients(_ logits: Buffer, _ count: Int, _ head: FrozenTensor, _ states: Buffer) {
    forEachPart(of: head) { first, part, w in
      multiply(
        count, head.columns, part, MatrixView(logits.base + first, stride: head.rows),
        MatrixView(w, stride: head.columns), beta: first == 0 ? 0 : 1, states.view(head.columns))
    }
  }

  /// Runs `body` with rows of the head's weight as float32: all at once where they are stored so, else widened a part
  /// at a time. It gets the first row's number and how many there are.
  private func forEachPart(
    of head: FrozenTensor, _ body: (_ first: Int, _ count: Int, UnsafeMutablePointer<Float>) -> Void
  ) {
    if head.elementType == .float32 { return withFloats(head) { body(0, head.rows, $0) } }
    let part = min(head.rows, HeadSlices.widenedRows(columns: head.columns))
    let scratch = workspace.allocate(part * head.columns)
    for first in stride(from: 0, to: head.rows, by: part) {
      let count = min(part, head.rows - first)
      head.widen(range: (first * head.columns)..<((first + count) * head.columns), into: scratch.base)
      body(first, count, scratch.base)
    }
  }
}

/// How much of the head's work is done at once.
enum HeadSlices {
  /// Rows of logits: 32 MB of them, enough for products at full rate.
  static func rows(vocabulary: Int) -> Int { max(16, min(512, (1 << 23) / vocabulary)) }
  /// Rows of a weight widened to float32: 8 MB of them.
  static func widenedRows(columns: Int) -> Int { max(64, (1 << 21) / columns) }
}
