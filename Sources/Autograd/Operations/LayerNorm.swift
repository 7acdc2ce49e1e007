import CKernels
import Kernels

/// Frozen weights of a layer norm, in float32.
public struct LayerNormWeights: Sendable {
  /// γ [C].
  public let gamma: FrozenTensor
  /// β [C].
  public let beta: FrozenTensor
  /// Added to the variance.
  public let epsilon: Float

  /// Weights.
  public init(gamma: FrozenTensor, beta: FrozenTensor, epsilon: Float) {
    self.gamma = gamma
    self.beta = beta
    self.epsilon = epsilon
  }
}

extension Tape {
  /// y = LayerNorm(dropout(x + bias) + residual), row by row, always in float32 (Ba et al., arXiv 1607.06450).
  ///
  /// Overwrites x, which must not be used afterwards.
  public func residualLayerNorm(
    _ x: Tensor, bias: FrozenTensor?, dropout: Float, site: Int, residual: Tensor?, _ norm: LayerNormWeights
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
  let norm: LayerNormWeights
  let dropout: Float
  let site: Int

  func forward(bias: FrozenTensor?, residual: Tensor?) -> Tensor {
    let workspace = tape.workspace, columns = shape.columns
    let imageShape = TensorShape(layout: shape.layout, columns: columns, precision: .bfloat16)
    let image = x.precision == .bfloat16 ? imageShape.allocate(in: workspace) : nil
    let y = Tensor(
      shape, buffer: shape.allocate(in: workspace), image: image,
      needsGradient: tape.isRecording && (x.needsGradient || residual?.needsGradient == true))
    let multipliers = dropout > 0 ? workspace.allocate(columns) : nil
    let sum = workspace.allocate(image == nil ? 1 : columns)
    tape.withFloats(norm.gamma) { gamma in
      tape.withFloats(norm.beta) { beta in
        tape.withOptionalFloats(bias) { bias in
          forEachRow { example, position, row in
            if let multipliers {
              tape.dropoutSource?.row(site, example, position, dropout, multipliers.base, columns)
            }
            let at = row * columns, residual = residual.map { $0.base + at }
            if let image {
              statistics.base[2 * row + 1] = ck_bf16_residual_layer_norm(
                x.bf16 + at, bias, multipliers?.base, residual, gamma, beta, norm.epsilon, y.base + at,
                image.bf16 + at, sum.base, columns)
            } else {
              ck_residual_layer_norm(
                x.base + at, bias, multipliers?.base, residual, gamma, beta, norm.epsilon, y.base + at,
                statistics.base + 2 * row, statistics.base + 2 * row + 1, columns)
            }
          }
        }
      }
    }
    return y
  }

  func backward(_ gradient: GradientSlot, through: GradientSlot?) {
    guard let dy = gradient.take() else { return }
    let workspace = tape.workspace, columns = shape.columns
    let narrow = x.precision == .bfloat16 && x.needsGradient ? x.shape.allocate(in: workspace) : nil
    let multipliers = dropout > 0 ? workspace.allocate(columns) : nil
    tape.withFloats(norm.gamma) { gamma in
      forEachRow { example, position, row in
        let at = row * columns, dx = dy.base + at
        let reciprocal = statistics.base[2 * row + 1]
        switch x.precision {
        case .float32:
          ck_layer_norm_backward(dx, x.base + at, gamma, statistics.base[2 * row], reciprocal, dx, columns)
        case .bfloat16:
          ck_bf16_layer_norm_backward(dx, x.bf16 + at, gamma, reciprocal, dx, columns)
          guard let narrow else { return }
          if let multipliers {
            tape.dropoutSource?.row(site, example, position, dropout, multipliers.base, columns)
          }
          ck_narrow_product(narrow.bf16 + at, dx, multipliers?.base, columns)
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

  private func forEachRow(_ body: (_ example: Int, _ position: Int, _ row: Int) -> Void) {
    guard tape.workspace.computes else { return }
    for sequence in 0..<shape.layout.sequences {
      for (position, row) in shape.layout.range(sequence).enumerated() {
        body(shape.layout.examples[sequence], position, row)
      }
    }
  }
}
