import CKernels
import Kernels

extension Tape {
  /// x in float32, x itself if it already is.
  public func widened(_ x: Tensor) -> Tensor {
    guard x.precision == .bfloat16 else { return x }
    let y = make(x.layout, columns: x.columns, needsGradient: x.needsGradient)
    if workspace.computes { ck_widen_bfloat16(y.base, x.bf16, x.count) }
    if x.needsGradient {
      record { [workspace, output = y.slot, input = x.slot] in
        guard let dy = output.take() else { return }
        let dx = input.shape.allocate(in: workspace)
        if workspace.computes { ck_narrow_bfloat16(dx.bf16, dy.base, input.count) }
        input.add(moving: dx, in: workspace)
      }
    }
    return y
  }
}
