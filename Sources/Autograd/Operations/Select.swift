import Kernels

extension Tape {
  /// The first row of every sequence, the classification token of BERT and RoBERTa: [N, C] → [B, C].
  public func selectFirst(_ x: Tensor) -> Tensor {
    select(x, rows: Array(x.layout.offsets.dropLast()))
  }

  /// The last row of every sequence, which in a decoder has seen all tokens: [N, C] → [B, C].
  public func selectLast(_ x: Tensor) -> Tensor {
    select(x, rows: x.layout.offsets.dropFirst().map { $0 - 1 })
  }

  /// One row of every sequence.
  func select(_ x: Tensor, rows: [Int]) -> Tensor {
    let y = make(
      x.layout.oneRowEach(), columns: x.columns, needsGradient: x.needsGradient, precision: x.precision)
    let columns = x.columns, bytes = columns * x.precision.byteCount
    for (sequence, row) in rows.enumerated() where workspace.computes {
      y.buffer.address(sequence * columns, x.precision).copyMemory(
        from: x.buffer.address(row * columns, x.precision), byteCount: bytes)
    }
    if x.needsGradient {
      record { [workspace, output = y.slot, input = x.slot] in
        guard let dy = output.take() else { return }
        let dx = input.zeroedAccumulator(in: workspace)
        for (sequence, row) in rows.enumerated() where workspace.computes {
          dx.add(dy, from: sequence * columns, at: row * columns, columns, input.shape.precision)
        }
      }
    }
    return y
  }
}
