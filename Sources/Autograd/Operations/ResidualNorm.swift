import CKernels
import Kernels

extension Tape {
  /// s = residual + scale · dropout(branch + bias), y = norm(s), row by row: the step between two blocks of a pre-norm
  /// transformer. s is the residual stream, in float32; y is the next block's input, in the tape's precision.
  ///
  /// A float32 `branch` is overwritten and must not be used afterwards.
  public func addNorm(
    _ branch: Tensor, bias: FrozenTensor?, dropout: Float, site: Int, scale: Float = 1, to residual: Tensor,
    _ norm: NormWeights
  ) -> (sum: Tensor, normed: Tensor) {
    precondition(norm.gamma.count == branch.columns)
    let pass = ResidualPass(tape: self, branch, residual, dropout: dropout, site: site, scale: scale)
    let y = make(branch.layout, columns: branch.columns, needsGradient: pass.sum.needsGradient, precision: precision)
    let normPass = NormPass(tape: self, x: pass.sum, norm: norm)
    normPass.forward(into: y, bias: bias, dropout: dropout, site: site, scale: scale, residual: residual)
    if y.needsGradient {
      record { [unowned self, normed = y.slot, sum = pass.sum.slot] in
        let dy = normPass.backward(normed), ds = sum.take()
        if let dy, let ds, workspace.computes { ck_add(dy.base, ds.base, sum.count) }
        if let total = dy ?? ds { pass.backward(total) }
      }
    }
    return (pass.sum, y)
  }

  /// s = residual + scale · dropout(branch + bias), in float32: `addNorm` where no norm follows. Products round s
  /// themselves when they read it.
  ///
  /// A float32 `branch` is overwritten and must not be used afterwards.
  public func add(
    _ branch: Tensor, bias: FrozenTensor?, dropout: Float, site: Int, scale: Float = 1, to residual: Tensor
  ) -> Tensor {
    let pass = ResidualPass(tape: self, branch, residual, dropout: dropout, site: site, scale: scale)
    let sum = pass.sum, columns = sum.columns
    withOptionalFloats(bias) { bias in
      forEachRow(sum.layout, columns: columns, dropout: dropout, site: site, scale: scale) { row, multipliers in
        ck_add_branch(sum.row(row), bias, multipliers, residual.row(row), columns)
      }
    }
    if sum.needsGradient {
      record { [sum = sum.slot] in
        if let total = sum.take() { pass.backward(total) }
      }
    }
    return sum
  }
}

/// The sum of a branch and the residual, and the way back to both.
private struct ResidualPass {
  unowned let tape: Tape
  /// The branch in float32, in its own memory if possible, to which the forward pass adds.
  let sum: Tensor
  let dropout: Float
  let site: Int
  let scale: Float
  // Slots alone, since the values are not needed again.
  private let through: GradientSlot?
  private let below: GradientSlot?

  init(tape: Tape, _ branch: Tensor, _ residual: Tensor, dropout: Float, site: Int, scale: Float) {
    (self.tape, self.dropout, self.site, self.scale) = (tape, dropout, site, scale)
    let shape = TensorShape(layout: branch.layout, columns: branch.columns, precision: .float32)
    sum = tape.noted(
      Tensor(
        shape, buffer: branch.precision == .float32 ? branch.buffer : shape.allocate(in: tape.workspace),
        needsGradient: tape.isRecording && (branch.needsGradient || residual.needsGradient)), "addNorm")
    if branch.precision == .bfloat16, tape.workspace.computes {
      ck_widen_bfloat16(sum.base, branch.bf16, sum.count)
    }
    through = residual.needsGradient ? residual.slot : nil
    below = branch.needsGradient ? branch.slot : nil
  }

  /// Passes the sum's gradient on to the residual and to the branch.
  func backward(_ total: Buffer) {
    let workspace = tape.workspace
    guard let below else {
      through?.add(moving: total, in: workspace)
      return
    }
    switch below.shape.precision {
    case .float32:
      through?.add(total, in: workspace)
      tape.applyDropout(total, below.shape, probability: dropout, site: site, scale: scale)
      below.add(moving: total, in: workspace)
    case .bfloat16:
      let narrow = below.shape.allocate(in: workspace)
      if workspace.computes { ck_narrow_bfloat16(narrow.bf16, total.base, below.count) }
      tape.applyDropout(narrow, below.shape, probability: dropout, site: site, scale: scale)
      below.add(moving: narrow, in: workspace)
      through?.add(moving: total, in: workspace)
    }
  }
}
