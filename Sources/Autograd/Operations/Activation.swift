import Kernels

extension Tape {
  /// y = f(x + bias), element by element.
  public func activation(_ x: Tensor, bias: FrozenTensor? = nil, _ kind: ActivationKind) -> Tensor {
    let y = make(like: x), rows = x.rows, columns = x.columns
    withOptionalFloats(bias) { bias in
      switch x.precision {
      case .float32: kind.forward(pre: x.base, bias: bias, y: y.base, rows: rows, columns: columns)
      case .bfloat16: kind.forward(pre: x.halves, bias: bias, y: y.halves, rows: rows, columns: columns)
      }
    }
    if x.needsGradient {
      record { [unowned self, output = y.slot] in
        guard let dy = output.take() else { return }
        withOptionalFloats(bias) { bias in
          switch x.precision {
          case .float32: kind.backward(pre: x.base, bias: bias, dy: dy.base, rows: rows, columns: columns)
          case .bfloat16: kind.backward(pre: x.halves, bias: bias, dy: dy.halves, rows: rows, columns: columns)
          }
        }
        x.slot.add(moving: dy, in: workspace)
      }
    }
    return y
  }

  /// `withFloats`, or `body` of nil.
  func withOptionalFloats(_ tensor: FrozenTensor?, _ body: (UnsafeMutablePointer<Float>?) -> Void) {
    if let tensor { withFloats(tensor) { body($0) } } else { body(nil) }
  }
}
