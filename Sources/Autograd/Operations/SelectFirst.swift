import Kernels

extension Tape {
  /// The first row of every sequence: [N, C] → [B, C]. This is the classification token of BERT and RoBERTa.
  public func selectFirst(_ x: Tensor) -> Tensor {
    let y = make(x.layout.oneRowEach(), columns: x.columns, needsGradient: x.needsGradient)
    for sequence in 0..<x.layout.sequences {
      y.row(sequence).update(from: x.row(x.layout.offsets[sequence]), count: x.columns)
    }
    if x.needsGradient {
      let layout = x.layout, columns = x.columns
      record { [workspace, output = y.slot, input = x.slot] in
        guard let dy = output.take() else { return }
        let dx = input.zeroedAccumulator(in: workspace)
        for sequence in 0..<layout.sequences {
          addFloats(dx.base + layout.offsets[sequence] * columns, dy.base + sequence * columns, columns)
        }
      }
    }
    return y
  }
}
