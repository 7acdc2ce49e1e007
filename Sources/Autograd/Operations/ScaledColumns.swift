import CKernels
import Kernels

extension Tape {
  /// z = y ∘ g + b, with trained g [C] and frozen b [C] the same in every row of y [N, C]: the row scale of an adapted
  /// map, whose outputs are the columns here.
  ///
  /// dy = dz ∘ g; dg += Σ over the rows of dz ∘ y.
  func scaledColumns(_ y: Tensor, _ scale: ParameterReference, bias: FrozenTensor?) -> Tensor {
    precondition(scale.count == y.columns)
    let z = make(y.layout, columns: y.columns, needsGradient: true, precision: y.precision)
    let columns = y.columns, rows = y.rows, scratch = workspace.allocate(columns)
    withOptionalFloats(bias) { bias in
      for row in 0..<rows where workspace.computes {
        copyRow(y, row, to: scratch.base)
        multiplyFloats(scratch.base, parameters.base + scale.offset, columns)
        if let bias { addFloats(scratch.base, bias, columns) }
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
        multiplyFloats(own.base, upstream.base, columns)
        addFloats(dg, own.base, columns)
        multiplyFloats(upstream.base, parameters.base + scale.offset, columns)
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
    case .bfloat16: ck_widen_bfloat16(floats, buffer.halves + at, shape.columns)
    }
  }

  private func storeRow(_ floats: UnsafePointer<Float>, _ buffer: Buffer, _ row: Int, _ shape: TensorShape) {
    let at = row * shape.columns
    switch shape.precision {
    case .float32: (buffer.base + at).update(from: floats, count: shape.columns)
    case .bfloat16: ck_narrow_bfloat16(buffer.halves + at, floats, shape.columns)
    }
  }
}
