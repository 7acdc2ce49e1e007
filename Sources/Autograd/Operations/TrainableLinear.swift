import Kernels

extension Tape {
  /// y = x Wᵀ + b with trained W [out, in] and b [out]: a layer of the task's head.
  public func trainableLinear(_ x: Tensor, weight: ParameterReference, bias: ParameterReference) -> Tensor {
    precondition(weight.columns == x.columns && bias.count == weight.rows)
    let y = make(x.layout, columns: weight.rows, needsGradient: true)
    let w = MatrixView(parameters.base + weight.offset, stride: x.columns)
    multiply(x.rows, y.columns, x.columns, x.view, w.transposed, y.view)
    addBias(y.base, parameters.base + bias.offset, rows: y.rows, columns: y.columns)
    record { [unowned self] in
      guard let gradients, let dy = y.gradientView else { return }
      let dw = MatrixView(gradients.base + weight.offset, stride: x.columns)
      multiply(y.columns, x.columns, x.rows, dy.transposed, x.view, beta: 1, dw)
      for row in 0..<y.rows { addFloats(gradients.base + bias.offset, dy.base + row * y.columns, y.columns) }
      guard x.needsGradient else { return }
      let (dx, beta) = x.slot.accumulator(in: workspace)
      multiply(x.rows, x.columns, y.columns, dy, w, beta: beta, MatrixView(dx, stride: x.columns))
    }
    return y
  }
}
