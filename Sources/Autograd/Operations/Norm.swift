import CKernels
import Kernels

/// Frozen weights of a norm, in float32: layer norm (Ba et al., arXiv 1607.06450), or RMS norm (Zhang & Sennrich,
/// arXiv 1910.07467) if there is no β.
public struct NormWeights: Sendable {
  /// γ [C].
  public let gamma: FrozenTensor
  /// β [C]; nil for an RMS norm.
  public let beta: FrozenTensor?
  /// Added to the variance, or to the mean square.
  public let epsilon: Float

  /// Weights.
  public init(gamma: FrozenTensor, beta: FrozenTensor? = nil, epsilon: Float) {
    self.gamma = gamma
    self.beta = beta
    self.epsilon = epsilon
  }
}

extension Tape {
  /// s = residual + dropout(branch + bias), y = norm(s), row by row: the step between two blocks of a pre-norm
  /// transformer. s is the residual stream, in float32; y is the next block's input, in the tape's precision.
  ///
  /// A float32 `branch` is overwritten and must not be used afterwards.
  public func addNorm(
    _ branch: Tensor, bias: FrozenTensor?, dropout: Float, site: Int, to residual: Tensor, _ norm: NormWeights
  ) -> (sum: Tensor, normed: Tensor) {
    let needs = isRecording && (branch.needsGradient || residual.needsGradient)
    let shape = TensorShape(layout: branch.layout, columns: branch.columns, precision: .float32)
    let sum = noted(
      Tensor(
        shape, buffer: branch.precision == .float32 ? branch.buffer : shape.allocate(in: workspace),
        needsGradient: needs))
    if branch.precision == .bfloat16, workspace.computes { ck_widen_bfloat16(sum.base, branch.bf16, sum.count) }
    let y = make(branch.layout, columns: branch.columns, needsGradient: needs, precision: precision)
    let pass = NormPass(tape: self, x: sum, norm: norm, statistics: workspace.allocate(2 * sum.rows))
    pass.forward(into: y, bias: bias, dropout: dropout, site: site, residual: residual)
    guard needs else { return (sum, y) }
    // Keeps only the residual's slot, since its values are not needed again.
    let through = residual.needsGradient ? residual.slot : nil, below = branch.needsGradient ? branch.slot : nil
    record { [unowned self, normed = y.slot] in
      let dy = pass.backward(normed), ds = sum.slot.take()
      if let dy, let ds, workspace.computes { ck_add(dy.base, ds.base, sum.count) }
      guard let total = dy ?? ds else { return }
      guard let below else {
        through?.add(moving: total, in: workspace)
        return
      }
      switch below.shape.precision {
      case .float32:
        through?.add(total, in: workspace)
        applyDropout(total, shape, probability: dropout, site: site)
        below.add(moving: total, in: workspace)
      case .bfloat16:
        let narrow = below.shape.allocate(in: workspace)
        if workspace.computes { ck_narrow_bfloat16(narrow.bf16, total.base, sum.count) }
        applyDropout(narrow, below.shape, probability: dropout, site: site)
        below.add(moving: narrow, in: workspace)
        through?.add(moving: total, in: workspace)
      }
    }
    return (sum, y)
  }

  /// y = norm(x), row by row, for a float32 x; y is in the tape's precision.
  public func norm(_ x: Tensor, _ norm: NormWeights) -> Tensor {
    let y = make(x.layout, columns: x.columns, needsGradient: x.needsGradient, precision: precision)
    let pass = NormPass(tape: self, x: x, norm: norm, statistics: workspace.allocate(2 * x.rows))
    pass.forward(into: y, bias: nil, dropout: 0, site: 0, residual: nil)
    if x.needsGradient {
      record { [unowned self, normed = y.slot] in
        if let dx = pass.backward(normed) { x.slot.add(moving: dx, in: workspace) }
      }
    }
    return y
  }
}

extension Tape {
  /// Runs `body` with γ, β and `bias` as floats.
  func withFloats(
    _ norm: NormWeights, _ bias: FrozenTensor?,
    _ body: (
      _ gamma: UnsafeMutablePointer<Float>, _ beta: UnsafeMutablePointer<Float>?, _ bias: UnsafeMutablePointer<Float>?
    ) -> Void
  ) {
    withFloats(norm.gamma) { gamma in
      withOptionalFloats(norm.beta) { beta in withOptionalFloats(bias) { body(gamma, beta, $0) } }
    }
  }
}

private struct NormPass {
  unowned let tape: Tape
  /// The input of the norm, float32.
  let x: Tensor
  let norm: NormWeights
  /// Two numbers per row for the backward pass.
  let statistics: Buffer

  /// Computes the sum in `x` and its norm in `y`.
  func forward(into y: Tensor, bias: FrozenTensor?, dropout: Float, site: Int, residual: Tensor?) {
    let columns = x.columns, scratch = y.precision == .bfloat16 ? tape.workspace.allocate(columns) : nil
    tape.withFloats(norm, bias) { gamma, beta, bias in
      tape.forEachRow(x.layout, columns: columns, dropout: dropout, site: site) { row, multipliers in
        let kept = statistics.base + 2 * row, output = scratch?.base ?? y.row(row)
        if let beta {
          ck_residual_layer_norm(
            x.row(row), bias, multipliers, residual?.row(row), gamma, beta, norm.epsilon, output, kept, kept + 1,
            columns)
        } else {
          ck_residual_rms_norm(
            x.row(row), bias, multipliers, residual?.row(row), gamma, norm.epsilon, output, kept, columns)
        }
        if let scratch { ck_narrow_bfloat16(y.bf16 + row * columns, scratch.base, columns) }
      }
    }
  }

  /// The gradient with respect to x, in its own memory or the output's; nil if there is none.
  func backward(_ normed: GradientSlot) -> Buffer? {
    guard let dy = normed.take() else { return nil }
    var dx = dy
    if normed.shape.precision == .bfloat16 {
      dx = x.shape.allocate(in: tape.workspace)
      if dy.computes { ck_widen_bfloat16(dx.base, dy.bf16, x.count) }
    }
    tape.withFloats(norm.gamma) { gamma in
      tape.workspace.forEachRange(of: x.rows, numbers: x.columns) { range in
        for row in range {
          let at = dx.base + row * x.columns, kept = statistics.base + 2 * row
          if norm.beta != nil {
            ck_layer_norm_backward(at, x.row(row), gamma, kept[0], kept[1], at, x.columns)
          } else {
            ck_rms_norm_backward(at, x.row(row), gamma, kept[0], x.columns)
          }
        }
      }
    }
    return dx
  }
}

extension Tape {
  /// y = LayerNorm(dropout(x + bias) + residual), row by row, always in float32 (Ba et al., arXiv 1607.06450).
  ///
  /// Overwrites x, which must not be used afterwards. `norm` has a β.
  public func residualLayerNorm(
    _ x: Tensor, bias: FrozenTensor?, dropout: Float, site: Int, residual: Tensor?, _ norm: NormWeights
  ) -> Tensor {
    let pass = LayerNormPass(
      tape: self, x: x, shape: TensorShape(layout: x.layout, columns: x.columns, precision: .float32),
      statistics: workspace.allocate(2 * x.rows), norm: norm, dropout: dropoutSource == nil ? 0 : dropout, site: site)
    let y = noted(pass.forward(bias: bias, residual: residual))
    if y.needsGradient {
      let through = residual?.needsGradient == true ? residual?.slot : nil
      record { [gradient = y.slot] in pass.backward(gradient, through: through) }
    }
    return y
  }
}

private struct LayerNormPass {
  unowned let tape: Tape
  /// After the forward pass, the sum before the norm (float32) or the normalised sum (bfloat16).
  let x: Tensor
  /// The shape of the output.
  let shape: TensorShape
  /// Mean and 1 / standard deviation of every row.
  let statistics: Buffer
  let norm: NormWeights
  let dropout: Float
  let site: Int

  func forward(bias: FrozenTensor?, residual: Tensor?) -> Tensor {
    let workspace = tape.workspace, columns = shape.columns
    let imageShape = TensorShape(layout: shape.layout, columns: columns, precision: .bfloat16)
    let image = x.precision == .bfloat16 ? imageShape.allocate(in: workspace) : nil
    let y = Tensor(
      shape, buffer: shape.allocate(in: workspace), image: image,
      needsGradient: tape.isRecording && (x.needsGradient || residual?.needsGradient == true))
    let sum = workspace.allocate(image == nil ? 1 : columns)
    tape.withFloats(norm, bias) { gamma, beta, bias in
      tape.forEachRow(shape.layout, columns: columns, dropout: dropout, site: site) { row, multipliers in
        let at = row * columns, residual = residual.map { $0.base + at }
        if let image {
          statistics.base[2 * row + 1] = ck_bf16_residual_layer_norm(
            x.bf16 + at, bias, multipliers, residual, gamma, beta, norm.epsilon, y.base + at, image.bf16 + at,
            sum.base, columns)
        } else {
          ck_residual_layer_norm(
            x.base + at, bias, multipliers, residual, gamma, beta, norm.epsilon, y.base + at,
            statistics.base + 2 * row, statistics.base + 2 * row + 1, columns)
        }
      }
    }
    return y
  }

  func backward(_ gradient: GradientSlot, through: GradientSlot?) {
    guard let dy = gradient.take() else { return }
    let workspace = tape.workspace, columns = shape.columns
    let narrow = x.precision == .bfloat16 && x.needsGradient ? x.shape.allocate(in: workspace) : nil
    tape.withFloats(norm.gamma) { gamma in
      let dropout = narrow == nil ? 0 : dropout
      tape.forEachRow(shape.layout, columns: columns, dropout: dropout, site: site) { row, multipliers in
        let at = row * columns, dx = dy.base + at, reciprocal = statistics.base[2 * row + 1]
        switch x.precision {
        case .float32:
          ck_layer_norm_backward(dx, x.base + at, gamma, statistics.base[2 * row], reciprocal, dx, columns)
        case .bfloat16:
          ck_bf16_layer_norm_backward(dx, x.bf16 + at, gamma, reciprocal, dx, columns)
          if let narrow { ck_narrow_product(narrow.bf16 + at, dx, multipliers, columns) }
        }
      }
    }
    if let narrow {
      x.slot.add(moving: narrow, in: workspace)
      through?.add(moving: dy, in: workspace)
      return
    }
    through?.add(dy, in: workspace)
    if x.needsGradient {
      tape.applyDropout(dy, shape, probability: dropout, site: site)
      x.slot.add(moving: dy, in: workspace)
    }
  }
}
