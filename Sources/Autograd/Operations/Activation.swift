import Kernels

extension Tape {
  /// y = f(x + bias), element by element.
  public func activation(_ x: Tensor, bias: FrozenTensor? = nil, _ kind: ActivationKind) -> Tensor {
    let y = make(like: x), rows = x.rows, columns = x.columns
    withOptionalFloats(bias) { bias in
      workspace.forEachRange(of: rows, numbers: columns) { range in
        let at = range.lowerBound * columns, rows = range.count
        switch x.precision {
        case .float32: kind.forward(pre: x.base + at, bias: bias, y: y.base + at, rows: rows, columns: columns)
        case .bfloat16: kind.forward(pre: x.bf16 + at, bias: bias, y: y.bf16 + at, rows: rows, columns: columns)
        }
      }
    }
    if x.needsGradient {
      record { [unowned self, output = y.slot] in
        guard let dy = output.take() else { return }
        withOptionalFloats(bias) { bias in
          workspace.forEachRange(of: rows, numbers: columns) { range in
            let at = range.lowerBound * columns, rows = range.count
            switch x.precision {
            case .float32: kind.backward(pre: x.base + at, bias: bias, dy: dy.base + at, rows: rows, columns: columns)
            case .bfloat16:
              kind.backward(pre: x.bf16 + at, bias: bias, dy: dy.bf16 + at, rows: rows, columns: columns)
            }
          }
        }
        x.slot.add(moving: dy, in: workspace)
      }
    }
    return y
  }

  /// Like `withFloats`; passes nil on.
  func withOptionalFloats(_ tensor: FrozenTensor?, _ body: (UnsafeMutablePointer<Float>?) -> Void) {
    if let tensor { withFloats(tensor) { body($0) } } else { body(nil) }
  }
}
