import Kernels

extension Tape {
  /// y = f(gate) ∘ up; with f = SiLU this is SwiGLU (Shazeer, arXiv 2002.05202). [N, I] each.
  public func gatedActivation(_ gate: Tensor, _ up: Tensor, _ kind: ActivationKind) -> Tensor {
    let count = gate.count
    let y = make(
      gate.layout, columns: gate.columns, needsGradient: gate.needsGradient || up.needsGradient,
      precision: gate.precision)
    workspace.forEachRange(of: count) { range in
      let at = range.lowerBound, count = range.count
      switch gate.precision {
      case .float32: kind.gated(gate: gate.base + at, up: up.base + at, y: y.base + at, count: count)
      case .bfloat16: kind.gated(gate: gate.bf16 + at, up: up.bf16 + at, y: y.bf16 + at, count: count)
      }
    }
    if y.needsGradient {
      record { [workspace, output = y.slot] in
        guard let dy = output.take() else { return }
        // dy is overwritten by the gate's gradient.
        let dUp = up.shape.allocate(in: workspace)
        workspace.forEachRange(of: count) { range in
          let at = range.lowerBound, count = range.count
          switch gate.precision {
          case .float32:
            kind.gatedBackward(
              gate: gate.base + at, up: up.base + at, dy: dy.base + at, dUp: dUp.base + at, count: count)
          case .bfloat16:
            kind.gatedBackward(
              gate: gate.bf16 + at, up: up.bf16 + at, dy: dy.bf16 + at, dUp: dUp.bf16 + at, count: count)
          }
        }
        if up.needsGradient { up.slot.add(moving: dUp, in: workspace) }
        if gate.needsGradient { gate.slot.add(moving: dy, in: workspace) }
      }
    }
    return y
  }
}
