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
  /// y = LayerNorm(dropout(x + bias) + residual), row by row (Ba et al., arXiv 1607.06450).
  ///
  /// The sum is formed in x's memory: x may not be used afterwards. One pass over the row while it is in the cache.
  public func residualLayerNorm(
    _ x: Tensor, bias: FrozenTensor?, dropout: Float, site: Int, residual: Tensor?, _ norm: LayerNormWeights
  ) -> Tensor {
    let columns = x.columns, layout = x.layout
    let needs = x.needsGradient || residual?.needsGradient == true
    let y = make(layout, columns: columns, needsGradient: needs)
    let statistics = workspace.allocate(2 * x.rows)
    let masks = dropout > 0 ? dropoutSource : nil
    let multipliers = masks.map { _ in workspace.allocate(columns) }
    withFloats(norm.gamma) { gamma in
      withFloats(norm.beta) { beta in
        let run = { (bias: UnsafeMutablePointer<Float>?) in
          for sequence in 0..<layout.sequences {
            for (position, row) in layout.range(sequence).enumerated() {
              if let masks, let multipliers {
                masks.row(site, layout.examples[sequence], position, dropout, multipliers.base, columns)
              }
              ck_residual_layer_norm(
                x.row(row), bias, multipliers?.base, residual?.row(row), gamma, beta, norm.epsilon, y.row(row),
                statistics.base + 2 * row, statistics.base + 2 * row + 1, columns)
            }
          }
        }
        if let bias { self.withFloats(bias) { run($0) } } else { run(nil) }
      }
    }
    guard needs else { return y }
    let gradient = y.slot, through = residual?.needsGradient == true ? residual?.slot : nil
    record { [unowned self] in
      guard let dy = gradient.take() else { return }
      withFloats(norm.gamma) { gamma in
        for row in 0..<x.rows {
          let at = dy.base + row * columns
          ck_layer_norm_backward(
            at, x.row(row), gamma, statistics.base[2 * row], statistics.base[2 * row + 1], at, columns)
        }
      }
      through?.add(dy.base, in: workspace)
      if x.needsGradient {
        if masks != nil {
          applyDropout(dy.base, layout: layout, columns: columns, probability: dropout, site: site)
        }
        x.slot.add(moving: dy, in: workspace)
      }
    }
    return y
  }
}
