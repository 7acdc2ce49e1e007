import CKernels
import Kernels

extension Tape {
  /// y = LayerNorm(dropout(x + bias) + residual), row by row, always in float32 (Ba et al., arXiv 1607.06450).
  ///
  /// Overwrites x, which must not be used afterwards. `norm` is a layer norm.
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
