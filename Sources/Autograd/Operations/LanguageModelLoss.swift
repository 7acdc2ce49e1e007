import Algorithms
import CKernels
import Kernels

extension Tape {
  /// Cross-entropy of the next tokens: −log softmax(z)[target] for every row of `hidden` [N, C] with a target (−1: none),
  /// with the logits z of `languageModelLogits`.
  ///
  /// Logits are computed for a slice of the rows at a time, and only for rows with a target. The forward pass also
  /// computes the gradient of Σ weight · loss with respect to h from them. With `smoothing` ε, the loss is (1 − ε) times
  /// the above plus ε times the mean of −log softmax(z) over the vocabulary, like torch's `label_smoothing`.
  ///
  /// Returns the unweighted loss of every row; 0 for rows without a target.
  public func languageModelLoss(
    _ hidden: Tensor, head: FrozenLinear, targets: [Int32], weights: [Float], smoothing: Float = 0,
    scale: Float = 1, softCap: Float? = nil
  ) -> [Double] {
    precondition(targets.count == hidden.rows && weights.count == hidden.rows && head.inFeatures == hidden.columns)
    let rows = targets.indices.filter { targets[$0] >= 0 }, vocabulary = head.outFeatures, columns = hidden.columns
    var losses = [Double](repeating: 0, count: hidden.rows)
    guard !rows.isEmpty else { return losses }
    let sliceRows = Products.padded(min(rows.count, HeadSlices.rows(vocabulary: vocabulary)))
    let states = workspace.allocate(sliceRows * columns, precision)
    let logits = workspace.allocate(sliceRows * vocabulary)
    let source = hidden.operand(precision, in: workspace), bytes = columns * precision.byteCount
    // In bfloat16, the gradients of the logits are rounded for the product with W.
    let slopes = precision == .bfloat16 ? workspace.allocate(sliceRows * vocabulary, .bfloat16) : logits
    let gradient = hidden.needsGradient ? hidden.slot.zeroedAccumulator(in: workspace) : nil
    let derivatives = workspace.allocate(sliceRows * columns)
    let form = LogitForm(scale: scale, softCap: softCap)
    let capSlopes = softCap.map { _ in workspace.allocate(workspace.members * vocabulary) }
    for slice in rows.chunks(ofCount: sliceRows) {
      let padded = Products.padded(slice.count)
      let target = UnsafeMutableRawPointer(states.base)
      for (index, row) in slice.enumerated() where workspace.computes {
        (target + index * bytes).copyMemory(from: source.base + row * bytes, byteCount: bytes)
      }
      if workspace.computes {
        (target + slice.count * bytes).initializeMemory(
          as: UInt8.self, repeating: 0, count: (padded - slice.count) * bytes)
      }
      multiply(padded, operand(states, stride: columns), head, into: logits)
      let first = slice.startIndex
      losses.withUnsafeMutableBufferPointer { losses in
        // Every row writes only its own loss.
        nonisolated(unsafe) let losses = losses
        workspace.forEachRange(of: slice.count, numbers: vocabulary) { range, member in
          let slope = capSlopes.map { $0.base + member * vocabulary }
          for index in range {
            let row = rows[first + index], z = logits.base + index * vocabulary
            form.apply(z, vocabulary, slope: slope)
            losses[row] = softmaxGradient(
              z, vocabulary, target: Int(targets[row]), weight: weights[row], smoothing)
            form.backward(z, vocabulary, slope: slope)
          }
        }
      }
      guard let gradient else { continue }
      if precision == .bfloat16 {
        workspace.forEachRange(of: padded * vocabulary) {
          ck_narrow_bfloat16(slopes.bf16 + $0.lowerBound, logits.base + $0.lowerBound, $0.count)
        }
      }
      multiplyBackward(padded, operand(slopes, stride: vocabulary), head, into: derivatives)
      for (index, row) in slice.enumerated() where workspace.computes {
        let from = derivatives.base + index * columns
        switch hidden.precision {
        case .float32: ck_add(gradient.base + row * columns, from, columns)
        case .bfloat16:
          ck_narrow_bfloat16(states.bf16, from, columns)
          ck_bf16_add(gradient.bf16 + row * columns, states.bf16, columns)
        }
      }
    }
    return losses
  }

  /// The logits z = scale · h Wᵀ [N, V] of the rows of `hidden` [N, C], where W [V, C] is the head's weight; with `softCap`
  /// c they are c · tanh(z / c) (Gemma 2, arXiv 2408.00118, section 2). It has no derivative.
  public func languageModelLogits(
    _ hidden: Tensor, head: FrozenLinear, scale: Float = 1, softCap: Float? = nil
  ) -> Tensor {
    let logits = plainLogits(hidden, head: head), form = LogitForm(scale: scale, softCap: softCap)
    workspace.forEachRange(of: logits.rows, numbers: logits.columns) {
      form.apply(logits.row($0.lowerBound), $0.count * logits.columns, slope: nil)
    }
    return logits
  }

  /// h Wᵀ.
  private func plainLogits(_ hidden: Tensor, head: FrozenLinear) -> Tensor {
    if hidden.rows <= Self.fewRows { return linearOfFew(hidden, [AdaptedLinear(head, adapter: nil)])[0] }
    let logits = make(hidden.layout, columns: head.outFeatures, needsGradient: false)
    multiply(hidden.layout.paddedRows, hidden.operand(precision, in: workspace), head, into: logits.buffer)
    return logits
  }

  /// z ← h Wᵀ for some rows h, in float32.
  private func multiply(_ rows: Int, _ states: Operand, _ head: FrozenLinear, into logits: Buffer) {
    let vocabulary = head.outFeatures, target = Operand(logits.base, stride: vocabulary)
    if case .packed(let matrix) = head.prepared(for: precision) {
      return workspace.products.multiply(rows, states, matrix, .forward, into: target)
    }
    forEachPart(of: head.weight) { first, part, w in
      workspace.products.multiply(
        rows, part, head.inFeatures, states, w.transposed, into: target.advanced(columns: first), byRows: true)
    }
  }

  /// dh ← dz W, in float32.
  private func multiplyBackward(_ rows: Int, _ slopes: Operand, _ head: FrozenLinear, into derivatives: Buffer) {
    let columns = head.inFeatures, target = Operand(derivatives.base, stride: columns)
    if case .packed(let matrix) = head.prepared(for: precision) {
      return workspace.products.multiply(rows, slopes, matrix, .backward, into: target)
    }
    forEachPart(of: head.weight) { first, part, w in
      workspace.products.multiply(
        rows, columns, part, slopes.advanced(columns: first), w, into: target, accumulate: first > 0, byRows: true)
    }
  }

  /// Replaces a row of logits z by weight · ∂loss/∂z and returns the loss.
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

  /// Runs `body` with the rows of the head's weight in the precision of the tape: all of them if they are stored so,
  /// otherwise a part at a time.
  private func forEachPart(of head: FrozenTensor, _ body: (_ first: Int, _ count: Int, Operand) -> Void) {
    guard usesPanels(head) || precision == .float32 && head.elementType != .float32 else {
      return withOperand(head) { body(0, head.rows, $0) }
    }
    let part = min(head.rows, HeadSlices.widenedRows(columns: head.columns))
    let scratch = workspace.allocate(part * head.columns, precision)
    for rows in (0..<head.rows).chunks(ofCount: part) {
      write(head, rows: rows, columns: 0..<head.columns, to: scratch)
      body(rows.lowerBound, rows.count, operand(scratch, stride: head.columns))
    }
  }
}

/// What is done with a row of products before it is a row of logits.
private struct LogitForm {
  let scale: Float
  let softCap: Float?

  /// Replaces products by logits; with a cap, writes its derivative to `slope`.
  func apply(_ z: UnsafeMutablePointer<Float>, _ count: Int, slope: UnsafeMutablePointer<Float>?) {
    if let softCap {
      ck_soft_cap(z, scale, softCap, slope, count)
    } else if scale != 1 {
      ck_scale(z, scale, count)
    }
  }

  /// Replaces the gradient of the logits by that of the products.
  func backward(_ dz: UnsafeMutablePointer<Float>, _ count: Int, slope: UnsafeMutablePointer<Float>?) {
    if let slope {
      ck_multiply(dz, slope, count)
    } else if scale != 1 {
      ck_scale(dz, scale, count)
    }
  }
}

/// The size of the slices that a language model's head works on.
enum HeadSlices {
  /// Rows of logits: 32 MB, enough for products at full rate.
  static func rows(vocabulary: Int) -> Int { max(16, min(512, (1 << 23) / vocabulary / 16 * 16)) }
  /// Rows of a weight widened to float32: 8 MB.
  static func widenedRows(columns: Int) -> Int { max(64, (1 << 21) / columns) }
}
