import Kernels

extension Tape {
  /// The first row of every sequence: [N, C] → [B, C]. This is the classification token of BERT and RoBERTa.
  public func selectFirst(_ x: Tensor) -> Tensor {
    let y = make(x.layout.oneRowEach(), columns: x.columns, needsGradient: x.needsGradient)
    for sequence in 0..<x.layout.sequences {
      y.row(sequence).update(from: x.row(x.layout.offsets[sequence]), count: x.columns)
    }
    if x.needsGradient {
      record { [workspace] in
        guard let dy = y.gradientView else { return }
        let dx = x.slot.zeroedAccumulator(in: workspace)
        for sequence in 0..<x.layout.sequences {
          addFloats(dx + x.layout.offsets[sequence] * x.columns, dy.base + sequence * x.columns, x.columns)
        }
      }
    }
    return y
  }
}
