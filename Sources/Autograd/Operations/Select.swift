import CKernels
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

  /// The mean of every sequence's rows: [N, C] → [B, C], in float32.
  public func meanOfRows(_ x: Tensor) -> Tensor {
    let x = widened(x), layout = x.layout, columns = x.columns
    let y = make(layout.oneRowEach(), columns: columns, needsGradient: x.needsGradient)
    let sequences = workspace.computes ? 0..<layout.sequences : 0..<0
    for sequence in sequences {
      let rows = layout.range(sequence), output = y.base + sequence * columns
      output.update(repeating: 0, count: columns)
      for row in rows { ck_add(output, x.base + row * columns, columns) }
      ck_scale(output, 1 / Float(rows.count), columns)
    }
    if x.needsGradient {
      record { [workspace, output = y.slot, input = x.slot] in
        guard let dy = output.take() else { return }
        let dx = input.shape.allocate(in: workspace)
        for sequence in sequences {
          let rows = layout.range(sequence), gradient = dy.base + sequence * columns
          ck_scale(gradient, 1 / Float(rows.count), columns)
          for row in rows { (dx.base + row * columns).update(from: gradient, count: columns) }
        }
        input.shape.clearPadding(dx)
        input.add(moving: dx, in: workspace)
      }
    }
    return y
  }

  /// The rows at `places` of every sequence, counted from its first: [N, C] → [W, C].
  public func select(_ x: Tensor, places: [[Int]]) -> Tensor {
    precondition(places.count == x.layout.sequences)
    let rows = places.enumerated().flatMap { sequence, places in places.map { x.layout.offsets[sequence] + $0 } }
    return select(x, rows: rows, layout: PackedLayout(lengths: places.map(\.count), examples: x.layout.examples))
  }

  /// One row of every sequence.
  private func select(_ x: Tensor, rows: [Int]) -> Tensor { select(x, rows: rows, layout: x.layout.oneRowEach()) }

  /// The rows `rows`, as sequences of `layout`.
  private func select(_ x: Tensor, rows: [Int], layout: PackedLayout) -> Tensor {
    let y = make(
      layout, columns: x.columns, needsGradient: x.needsGradient, precision: x.precision)
    let columns = x.columns, bytes = columns * x.precision.byteCount
    for (place, row) in rows.enumerated() where workspace.computes {
      y.buffer.address(place * columns, x.precision).copyMemory(
        from: x.buffer.address(row * columns, x.precision), byteCount: bytes)
    }
    if x.needsGradient {
      record { [workspace, output = y.slot, input = x.slot] in
        guard let dy = output.take() else { return }
        let dx = input.zeroedAccumulator(in: workspace)
        for (place, row) in rows.enumerated() where workspace.computes {
          dx.add(dy, from: place * columns, at: row * columns, columns, input.shape.precision)
        }
      }
    }
    return y
  }
}
