import Kernels

extension Tape {
  /// The last row of every sequence: [N, C] → [B, C]. A decoder's classifier reads it, since it has seen all tokens.
  public func selectLast(_ x: Tensor) -> Tensor {
    let y = make(x.layout.oneRowEach(), columns: x.columns, needsGradient: x.needsGradient)
    for sequence in 0..<x.layout.sequences {
      y.row(sequence).update(from: x.row(x.layout.offsets[sequence + 1] - 1), count: x.columns)
    }
    if x.needsGradient {
      let layout = x.layout, columns = x.columns
      record { [workspace, output = y.slot, input = x.slot] in
        guard let dy = output.view(columns) else { return }
        let dx = input.zeroedAccumulator(in: workspace)
        for sequence in 0..<layout.sequences {
          addFloats(dx + (layout.offsets[sequence + 1] - 1) * columns, dy.base + sequence * columns, columns)
        }
      }
    }
    return y
  }
}
