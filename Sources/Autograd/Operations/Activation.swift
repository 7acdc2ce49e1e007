import Kernels

extension Tape {
  /// y = f(x + bias), element by element. Adds the bias to x in place: x may not be used afterwards.
  public func activation(_ x: Tensor, bias: FrozenTensor? = nil, _ kind: ActivationKind) -> Tensor {
    let y = make(x.layout, columns: x.columns, needsGradient: x.needsGradient)
    if let bias {
      withFloats(bias) { kind.forward(pre: x.base, bias: $0, y: y.base, rows: x.rows, columns: x.columns) }
    } else {
      kind.forward(pre: x.base, bias: nil, y: y.base, rows: x.rows, columns: x.columns)
    }
    let gradient = y.slot
    if x.needsGradient {
      record { [workspace] in
        guard let dy = gradient.take() else { return }
        kind.backward(pre: x.base, dy: dy.base, count: x.count)
        x.slot.add(moving: dy, in: workspace)
      }
    }
    return y
  }
}
