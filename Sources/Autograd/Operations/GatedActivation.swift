import Kernels

extension Tape {
  /// y = f(gate) ∘ up; with f = SiLU this is SwiGLU (Shazeer, arXiv 2002.05202). [N, I] each.
  public func gatedActivation(_ gate: Tensor, _ up: Tensor, _ kind: ActivationKind) -> Tensor {
    let columns = gate.columns
    let y = make(gate.layout, columns: columns, needsGradient: gate.needsGradient || up.needsGradient)
    for row in 0..<y.rows {
      kind.forward(pre: gate.row(row), bias: nil, y: y.row(row), rows: 1, columns: columns)
      multiplyFloats(y.row(row), up.row(row), columns)
    }
    if y.needsGradient {
      record { [workspace, output = y.slot] in
        guard let dy = output.take() else { return }
        let dUp = up.needsGradient ? workspace.allocate(up.count) : nil
        for row in 0..<gate.rows {
          let at = dy.base + row * columns
          if let dUp {
            kind.forward(pre: gate.row(row), bias: nil, y: dUp.base + row * columns, rows: 1, columns: columns)
            multiplyFloats(dUp.base + row * columns, at, columns)
          }
          multiplyFloats(at, up.row(row), columns)
          kind.backward(pre: gate.row(row), dy: at, count: columns)
        }
        if let dUp { up.slot.add(moving: dUp, in: workspace) }
        if gate.needsGradient { gate.slot.add(moving: dy, in: workspace) }
      }
    }
    return y
  }
}
