import CKernels
import Kernels

extension Tape {
  /// y = norm(x), row by row; y is in the tape's precision.
  public func norm(_ x: Tensor, _ norm: NormWeights) -> Tensor {
    precondition(norm.gamma.count == x.columns)
    return self.norm(x, norm, precision)
  }

  /// The norm of every γ.count neighbouring numbers of each row: of each head's queries or keys [N, H·D] with γ [D], or
  /// of the whole row. y has the precision of x.
  public func headNorm(_ x: Tensor, _ norm: NormWeights) -> Tensor {
    precondition(x.columns % norm.gamma.count == 0)
    return self.norm(x, norm, x.precision)
  }

  private func norm(
    _ x: Tensor, _ norm: NormWeights, _ precision: Precision, operation: StaticString = #function
  ) -> Tensor {
    let y = make(
      x.layout, columns: x.columns, needsGradient: x.needsGradient, precision: precision, operation: operation)
    let pass = NormPass(tape: self, x: x, norm: norm)
    pass.forward(into: y, bias: nil, dropout: 0, site: 0, scale: 1, residual: nil)
    if x.needsGradient {
      record(operation: operation) { [unowned self, normed = y.slot] in
        guard let dx = pass.backward(normed) else { return }
        guard x.precision == .bfloat16 else { return x.slot.add(moving: dx, in: workspace) }
        let narrow = x.shape.allocate(in: workspace)
        if workspace.computes { ck_narrow_bfloat16(narrow.bf16, dx.base, x.count) }
        x.slot.add(moving: narrow, in: workspace)
      }
    }
    return y
  }
}

/// The norm of a tensor's rows, or of equal parts of them, there and back.
struct NormPass {
  unowned let tape: Tape
  /// The input of the norm.
  let x: Tensor
  let norm: NormWeights
  /// Two numbers per part for the backward pass.
  private let statistics: Buffer
  /// Numbers in a part.
  private let size: Int

  init(tape: Tape, x: Tensor, norm: NormWeights) {
    (self.tape, self.x, self.norm, size) = (tape, x, norm, norm.gamma.count)
    statistics = tape.workspace.allocate(2 * x.count / size)
  }

  /// Computes the norm of `x` in `y`; with a residual after it has added residual + scale · dropout(x + bias) in a float32
  /// `x`.
  func forward(
    into y: Tensor, bias: FrozenTensor?, dropout: Float, site: Int, scale: Float, residual: Tensor?
  ) {
    let columns = x.columns
    let input = x.precision == .bfloat16 ? tape.workspace.allocate(columns) : nil
    let output = y.precision == .bfloat16 ? tape.workspace.allocate(columns) : nil
    tape.withFloats(norm, bias) { gamma, beta, bias in
      tape.forEachRow(x.layout, columns: columns, dropout: dropout, site: site, scale: scale) { row, multipliers in
        if let input { ck_widen_bfloat16(input.base, x.bf16 + row * columns, columns) }
        let source = input?.base ?? x.row(row), target = output?.base ?? y.row(row)
        for start in stride(from: 0, to: columns, by: size) {
          let from = source + start, to = target + start, kept = statistics.base + 2 * (row * columns + start) / size
          let residual = residual?.row(row)
          switch norm.kind {
          case .layer:
            ck_residual_layer_norm(
              from, bias, multipliers, residual, gamma, beta, norm.epsilon, to, kept, kept + 1, size)
          case .rms:
            ck_residual_rms_norm(from, bias, multipliers, residual, gamma, norm.epsilon, to, kept, size)
          }
        }
        if let output { ck_narrow_bfloat16(y.bf16 + row * columns, output.base, columns) }
      }
    }
  }

  /// The gradient with respect to x in float32, in its own memory or the output's; nil if there is none.
  func backward(_ normed: GradientSlot) -> Buffer? {
    guard let dy = normed.take() else { return nil }
    let columns = x.columns, workspace = tape.workspace
    var dx = dy
    if normed.shape.precision == .bfloat16 {
      dx = TensorShape(layout: x.layout, columns: columns, precision: .float32).allocate(in: workspace)
      if dy.computes { ck_widen_bfloat16(dx.base, dy.bf16, x.count) }
    }
    let input = x.precision == .bfloat16 ? workspace.allocate(workspace.members * columns) : nil
    tape.withFloats(norm.gamma) { gamma in
      workspace.forEachRange(of: x.rows, numbers: columns) { range, member in
        for row in range {
          let scratch = input.map { $0.base + member * columns }
          if let scratch { ck_widen_bfloat16(scratch, x.bf16 + row * columns, columns) }
          let source = scratch ?? x.row(row)
          for start in stride(from: 0, to: columns, by: size) {
            let at = dx.base + row * columns + start, kept = statistics.base + 2 * (row * columns + start) / size
            switch norm.kind {
            case .layer: ck_layer_norm_backward(at, source + start, gamma, kept[0], kept[1], at, size)
            case .rms: ck_rms_norm_backward(at, source + start, gamma, kept[0], size)
            }
          }
        }
      }
    }
    return dx
  }
}
