import Kernels

extension Tape {
  /// y = f(gate) ∘ up; with f = SiLU this is SwiGLU (Shazeer, arXiv 2002.05202). [N, I] each.
  public func gatedActivation(_ gate: Tensor, _ up: Tensor, _ kind: ActivationKind) -> Tensor {
    let count = gate.count
    let y = make(
      gate.layout, columns: gate.columns, needsGradient: gate.needsGradient || up.needsGradient,
      precision: gate.precision)
    switch gate.precision {
    case .float32: kind.gated(gate: gate.base, up: up.base, y: y.base, count: count)
    case .bfloat16: kind.gated(gate: gate.halves, up: up.halves, y: y.halves, count: count)
    }
    if y.needsGradient {
      record { [workspace, output = y.slot] in
        guard let dy = output.take() else { return }
        // dy becomes the gate's gradient.
        let dUp = up.shape.allocate(in: workspace)
        switch gate.precision {
        case .float32: kind.gatedBackward(gate: gate.base, up: up.base, dy: dy.base, dUp: dUp.base, count: count)
        case .bfloat16:
          kind.gatedBackward(gate: gate.halves, up: up.halves, dy: dy.halves, dUp: dUp.halves, count: count)
        }
        if up.needsGradient { up.slot.add(moving: dUp, in: workspace) }
        if gate.needsGradient { gate.slot.add(moving: dy, in: workspace) }
      }
    }
    return y
  }
}
