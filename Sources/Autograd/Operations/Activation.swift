import CKernels
import Kernels

extension Tape {
  /// y = f(x + bias), element by element.
  ///
  /// On the way to a gradient f'(x + bias) takes the place of x, which must not be used afterwards: the backward pass is
  /// then one product.
  public func activation(_ x: Tensor, bias: FrozenTensor? = nil, _ kind: Activation) -> Tensor {
    trace?.check(before: x)
    let y = make(like: x), rows = x.rows, columns = x.columns, precision = x.precision
    withOptionalFloats(bias) { bias in
      workspace.forEachRange(of: rows, numbers: columns) { range in
        let at = range.lowerBound * columns
        kind.forward(
          precision, pre: x.buffer.address(at, precision), bias: bias, y: y.buffer.address(at, precision),
          keepsSlopes: y.needsGradient, rows: range.count, columns: columns)
      }
    }
    if y.needsGradient {
      record { [unowned self, output = y.slot] in
        guard let dy = output.take() else { return }
        workspace.forEachRange(of: x.count) { range in
          let at = range.lowerBound
          switch precision {
          case .float32: ck_multiply(dy.base + at, x.base + at, range.count)
          case .bfloat16: ck_bf16_multiply_bf16(dy.bf16 + at, x.bf16 + at, range.count)
          }
        }
        x.slot.add(moving: dy, in: workspace)
      }
    }
    return y
  }

  /// y = f(gate) ∘ up; with f = SiLU this is SwiGLU (Shazeer, arXiv 2002.05202). [N, I] each.
  public func gatedActivation(_ gate: Tensor, _ up: Tensor, _ kind: Activation) -> Tensor {
    let count = gate.count, precision = gate.precision
    let y = make(
      gate.layout, columns: gate.columns, needsGradient: gate.needsGradient || up.needsGradient, precision: precision)
    workspace.forEachRange(of: count) { range in
      let at = range.lowerBound
      kind.gated(
        precision, gate: gate.buffer.address(at, precision), up: up.buffer.address(at, precision),
        y: y.buffer.address(at, precision), count: range.count)
    }
    if y.needsGradient {
      record { [workspace, output = y.slot] in
        guard let dy = output.take() else { return }
        // dy is overwritten by the gate's gradient.
        let dUp = up.shape.allocate(in: workspace)
        workspace.forEachRange(of: count) { range in
          let at = range.lowerBound
          kind.gatedBackward(
            precision, gate: gate.buffer.address(at, precision), up: up.buffer.address(at, precision),
            dy: dy.address(at, precision), dUp: dUp.address(at, precision), count: range.count)
        }
        if up.needsGradient { up.slot.add(moving: dUp, in: workspace) }
        if gate.needsGradient { gate.slot.add(moving: dy, in: workspace) }
      }
    }
    return y
  }
}
