import CKernels
import Kernels

extension Tape {
  /// y = γ ∘ (x − mean) / √(variance + ε) + β, row by row, with trained γ [C] and optional β [C]: a layer norm of the task's
  /// head (Ba et al., arXiv 1607.06450). x [B, C] is float32.
  public func trainableLayerNorm(
    _ x: Tensor, weight: ParameterReference, bias: ParameterReference?, epsilon: Float
  ) -> Tensor {
    precondition(weight.count == x.columns && bias.map { $0.count == x.columns } ?? true && x.precision == .float32)
    let y = make(x.layout, columns: x.columns, needsGradient: true), columns = x.columns
    // (x − mean) / √(variance + ε), and the reciprocals of the roots.
    let normal = workspace.allocate(x.count), reciprocals = workspace.allocate(x.rows)
    let rows = workspace.computes ? 0..<x.rows : 0..<0
    for row in rows {
      let input = x.base + row * columns, kept = normal.base + row * columns, output = y.base + row * columns
      let mean = (0..<columns).reduce(0) { $0 + input[$1] } / Float(columns)
      let variance = (0..<columns).reduce(0) { $0 + (input[$1] - mean) * (input[$1] - mean) } / Float(columns)
      reciprocals.base[row] = 1 / (variance + epsilon).squareRoot()
      for column in 0..<columns {
        kept[column] = (input[column] - mean) * reciprocals.base[row]
        output[column] = kept[column] * parameters.base[weight.offset + column]
        if let bias { output[column] += parameters.base[bias.offset + column] }
      }
    }
    record { [unowned self, output = y.slot, input = x.slot, needsGradient = x.needsGradient] in
      guard let gradients, let dy = output.take() else { return }
      for row in rows {
        let at = row * columns, kept = normal.base + at, dy = dy.base + at
        var sum: Float = 0, product: Float = 0
        for column in 0..<columns {
          gradients.base[weight.offset + column] += dy[column] * kept[column]
          if let bias { gradients.base[bias.offset + column] += dy[column] }
          dy[column] *= parameters.base[weight.offset + column]
          sum += dy[column]
          product += dy[column] * kept[column]
        }
        // dx = (dx̂ − mean(dx̂) − x̂ · mean(dx̂ ∘ x̂)) / √(variance + ε), in place of dy.
        for column in 0..<columns {
          dy[column] =
            (dy[column] - sum / Float(columns) - kept[column] * product / Float(columns)) * reciprocals.base[row]
        }
      }
      if needsGradient { input.add(moving: dy, in: workspace) }
    }
    return y
  }
}
