import CKernels
import Kernels

extension Tape {
  /// y = x Wᵀ + b with trained W [out, in] and optional b [out]: a layer of the task's head.
  public func trainableLinear(_ x: Tensor, weight: ParameterReference, bias: ParameterReference?) -> Tensor {
    precondition(weight.columns == x.columns && bias.map { $0.count == weight.rows } ?? true)
    let x = widened(x), y = make(x.layout, columns: weight.rows, needsGradient: true)
    let w = MatrixView(parameters.base + weight.offset, stride: x.columns)
    multiply(
      x.rows, y.columns, x.columns, MatrixView(x.base, stride: x.columns), w.transposed,
      MatrixView(y.base, stride: y.columns))
    if let bias { ck_add_bias(y.base, parameters.base + bias.offset, y.rows, y.columns) }
    let rows = y.rows, columns = y.columns
    record { [unowned self, output = y.slot] in
      guard let gradients, let dy = output.take() else { return }
      let dyView = MatrixView(dy.base, stride: columns)
      let dw = MatrixView(gradients.base + weight.offset, stride: x.columns)
      multiply(columns, x.columns, rows, dyView.transposed, MatrixView(x.base, stride: x.columns), beta: 1, dw)
      if let bias {
        for row in 0..<rows { ck_add(gradients.base + bias.offset, dy.base + row * columns, columns) }
      }
      guard x.needsGradient else { return }
      let (dx, isFresh) = x.slot.accumulator(in: workspace)
      multiply(rows, x.columns, columns, dyView, w, beta: isFresh ? 0 : 1, MatrixView(dx.base, stride: x.columns))
    }
    return y
  }

  /// x in float32, x itself if it already is.
  public func widened(_ x: Tensor) -> Tensor {
    guard x.precision == .bfloat16 else { return x }
    let y = make(x.layout, columns: x.columns, needsGradient: x.needsGradient)
    if workspace.computes { ck_widen_bfloat16(y.base, x.bf16, x.count) }
    if x.needsGradient {
      record { [workspace, output = y.slot, input = x.slot] in
        guard let dy = output.take() else { return }
        let dx = input.shape.allocate(in: workspace)
        if workspace.computes { ck_narrow_bfloat16(dx.bf16, dy.base, input.count) }
        input.add(moving: dx, in: workspace)
      }
    }
    return y
  }
}
