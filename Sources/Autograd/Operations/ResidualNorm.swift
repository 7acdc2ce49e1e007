import CKernels
import Kernels

/// Frozen weights of an RMS norm, in float32 (Zhang & Sennrich, arXiv 1910.07467).
public struct RMSNormWeights: Sendable {
  /// γ [C].
  public let gamma: FrozenTensor
  /// Added to the mean square.
  public let epsilon: Float

  /// Weights.
  public init(gamma: FrozenTensor, epsilon: Float) {
    self.gamma = gamma
    self.epsilon = epsilon
  }
}

/// The norm before a block of a decoder.
public enum NormWeights: Sendable {
  case layer(LayerNormWeights)
  case rms(RMSNormWeights)
}

extension Tape {
  /// s = residual + dropout(branch + bias), y = norm(s), row by row: the step from one block of a pre-norm
  /// transformer to the next. s goes on as the residual stream, y into the next block.
  ///
  /// The sum is formed in the branch's memory: `branch` may not be used afterwards.
  public func addNorm(
    _ branch: Tensor, bias: FrozenTensor?, dropout: Float, site: Int, to residual: Tensor, _ norm: NormWeights
  ) -> (sum: Tensor, normed: Tensor) {
    let needs = branch.needsGradient || residual.needsGradient
    let sum = Tensor(
      layout: branch.layout, columns: branch.columns, buffer: branch.buffer, needsGradient: needs && isRecording)
    let y = make(branch.layout, columns: branch.columns, needsGradient: needs)
    let statistics = workspace.allocate(2 * branch.rows)
    forwardNorm(sum, bias: bias, dropout: dropout, site: site, residual: residual, norm, y, statistics)
    guard sum.needsGradient else { return (sum, y) }
    // The residual's values are not needed again, so only its slot is held.
    let through = residual.needsGradient ? residual.slot : nil, below = branch.needsGradient ? branch.slot : nil
    record { [unowned self, normed = y.slot] in
      let dy = normed.take(), ds = sum.slot.take()
      if let dy {
        backwardNorm(dy, sum, norm, statistics)
        if let ds { addFloats(dy.base, ds.base, sum.count) }
      }
      guard let total = dy ?? ds else { return }
      through?.add(total.base, in: workspace)
      if let below {
        applyDropout(total.base, layout: sum.layout, columns: sum.columns, probability: dropout, site: site)
        below.add(moving: total, in: workspace)
      }
    }
    return (sum, y)
  }

  /// y = norm(x), row by row.
  public func norm(_ x: Tensor, _ norm: NormWeights) -> Tensor {
    let y = make(x.layout, columns: x.columns, needsGradient: x.needsGradient)
    let statistics = workspace.allocate(2 * x.rows)
    forwardNorm(x, bias: nil, dropout: 0, site: 0, residual: nil, norm, y, statistics)
    if x.needsGradient {
      record { [unowned self, normed = y.slot] in
        guard let dy = normed.take() else { return }
        backwardNorm(dy, x, norm, statistics)
        x.slot.add(moving: dy, in: workspace)
      }
    }
    return y
  }

  /// Forms the sum in `x` and its norm in `y`, and keeps two statistics a row for the backward pass.
  private func forwardNorm(
    _ x: Tensor, bias: FrozenTensor?, dropout: Float, site: Int, residual: Tensor?, _ norm: NormWeights, _ y: Tensor,
    _ statistics: Buffer
  ) {
    let layout = x.layout, columns = x.columns
    let masks = dropout > 0 ? dropoutSource : nil
    let multipliers = masks.map { _ in workspace.allocate(columns) }
    withOptionalFloats(bias) { bias in
      withFloats(norm.gamma) { gamma in
        withOptionalFloats(norm.beta) { beta in
          for sequence in 0..<layout.sequences {
            for (position, row) in layout.range(sequence).enumerated() {
              if let masks, let multipliers {
                masks.row(site, layout.examples[sequence], position, dropout, multipliers.base, columns)
              }
              let kept = statistics.base + 2 * row
              if let beta {
                ck_residual_layer_norm(
                  x.row(row), bias, multipliers?.base, residual?.row(row), gamma, beta, norm.epsilon, y.row(row), kept,
                  kept + 1, columns)
              } else {
                ck_residual_rms_norm(
                  x.row(row), bias, multipliers?.base, residual?.row(row), gamma, norm.epsilon, y.row(row), kept,
                  columns)
              }
            }
          }
        }
      }
    }
  }

  /// dy ← the gradient with respect to the norm's input x.
  private func backwardNorm(_ dy: Buffer, _ x: Tensor, _ norm: NormWeights, _ statistics: Buffer) {
    withFloats(norm.gamma) { gamma in
      for row in 0..<x.rows {
        let at = dy.base + row * x.columns, kept = statistics.base + 2 * row
        switch norm {
        case .layer: ck_layer_norm_backward(at, x.row(row), gamma, kept[0], kept[1], at, x.columns)
        case .rms: ck_rms_norm_backward(at, x.row(row), gamma, kept[0], x.columns)
        }
      }
    }
  }

  private func withOptionalFloats(_ tensor: FrozenTensor?, _ body: (UnsafeMutablePointer<Float>?) -> Void) {
    if let tensor { withFloats(tensor) { body($0) } } else { body(nil) }
  }
}

extension NormWeights {
  fileprivate var gamma: FrozenTensor {
    switch self {
    case .layer(let weights): weights.gamma
    case .rms(let weights): weights.gamma
    }
  }

  fileprivate var beta: FrozenTensor? { if case .layer(let weights) = self { weights.beta } else { nil } }

  fileprivate var epsilon: Float {
    switch self {
    case .layer(let weights): weights.epsilon
    case .rms(let weights): weights.epsilon
    }
  }
}
