import CKernels
import Kernels

extension Tape {
  /// z = y ∘ g + b for every row of y [N, C], with trained g [C] and frozen b [C]: the row scale of an adapted map, whose
  /// outputs are the columns here.
  ///
  /// dy = dz ∘ g; dg += Σ over the rows of dz ∘ y.
  func scaledColumns(_ y: Tensor, _ scale: ParameterReference, bias: FrozenTensor?) -> Tensor {
    precondition(scale.count == y.columns)
    let z = make(y.layout, columns: y.columns, needsGradient: true, precision: y.precision)
    let columns = y.columns, rows = y.rows, scratch = workspace.allocate(columns)
    withOptionalFloats(bias) { bias in
      for row in 0..<rows where workspace.computes {
        copyRow(y, row, to: scratch.base)
        ck_multiply(scratch.base, parameters.base + scale.offset, columns)
        if let bias { ck_add(scratch.base, bias, columns) }
        storeRow(scratch.base, z.buffer, row, z.shape)
      }
    }
    record { [unowned self, output = z.slot] in
      guard let gradients, let dz = output.take() else { return }
      let upstream = workspace.allocate(columns), own = workspace.allocate(columns)
      let dg = gradients.base + scale.offset
      for row in 0..<rows where workspace.computes {
        copyRow(dz, row, output.shape, to: upstream.base)
        copyRow(y, row, to: own.base)
        ck_multiply(own.base, upstream.base, columns)
        ck_add(dg, own.base, columns)
        ck_multiply(upstream.base, parameters.base + scale.offset, columns)
        storeRow(upstream.base, dz, row, output.shape)
      }
      if y.needsGradient { y.slot.add(moving: dz, in: workspace) }
    }
    return z
  }

  private func copyRow(_ tensor: Tensor, _ row: Int, to floats: UnsafeMutablePointer<Float>) {
    copyRow(tensor.buffer, row, tensor.shape, to: floats)
  }

  private func copyRow(_ buffer: Buffer, _ row: Int, _ shape: TensorShape, to floats: UnsafeMutablePointer<Float>) {
    let at = row * shape.columns
    switch shape.precision {
    case .float32: floats.update(from: buffer.base + at, count: shape.columns)
    case .bfloat16: ck_widen_bfloat16(floats, buffer.bf16 + at, shape.columns)
    }
  }

  private func storeRow(_ floats: UnsafePointer<Float>, _ buffer: Buffer, _ row: Int, _ shape: TensorShape) {
    let at = row * shape.columns
    switch shape.precision {
    case .float32: (buffer.base + at).update(from: floats, count: shape.columns)
    case .bfloat16: ck_narrow_bfloat16(buffer.bf16 + at, floats, shape.columns)
    }
  }
}
