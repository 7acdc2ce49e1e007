import CKernels
import Kernels

extension Tape {
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
      (UnsafeMutableRawPointer(y.buffer.base) + sequence * bytes).copyMemory(
        from: UnsafeRawPointer(x.buffer.base) + row * bytes, byteCount: bytes)
    }
    if x.needsGradient {
      record { [workspace, output = y.slot, input = x.slot] in
        guard let dy = output.take() else { return }
        let dx = input.zeroedAccumulator(in: workspace)
        for (sequence, row) in rows.enumerated() where workspace.computes {
          switch input.shape.precision {
          case .float32: ck_add(dx.base + row * columns, dy.base + sequence * columns, columns)
          case .bfloat16: ck_bf16_add(dx.bf16 + row * columns, dy.bf16 + sequence * columns, columns)
          }
        }
      }
    }
    return y
  }
}
