import CKernels
import Kernels

extension Tape {
  /// Every row beside its neighbours in its sequence: x [N, C] → [N, (2 · distance + 1) · C], from the row `distance` places
  /// before to the one `distance` places after, with zeros where there is none. A linear map of it is a convolution over
  /// the sequence. In float32.
  public func neighbours(_ x: Tensor, distance: Int) -> Tensor {
    let x = widened(x), columns = x.columns, width = 2 * distance + 1
    let y = make(x.layout, columns: width * columns, needsGradient: x.needsGradient)
    /// Calls `body` with the row of x and the place in y of every copy.
    func forEachCopy(_ layout: PackedLayout, _ body: (_ row: Int, _ place: Int) -> Void) {
      for sequence in 0..<layout.sequences {
        let rows = layout.range(sequence)
        for row in rows {
          for offset in -distance...distance where rows.contains(row + offset) {
            body(row + offset, (row * width + distance + offset) * columns)
          }
        }
      }
    }
    if workspace.computes {
      y.buffer.clear()
      forEachCopy(x.layout) { (y.base + $1).update(from: x.base + $0 * columns, count: columns) }
    }
    if x.needsGradient {
      record { [workspace, output = y.slot, input = x.slot] in
        guard let dy = output.take() else { return }
        let dx = input.zeroedAccumulator(in: workspace)
        guard workspace.computes else { return }
        forEachCopy(input.shape.layout) { ck_add(dx.base + $0 * columns, dy.base + $1, columns) }
      }
    }
    return y
  }
}
