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
    let columns = y.columns, rows = y.rows, precision = y.precision, scratch = workspace.allocate(columns)
    withOptionalFloats(bias) { bias in
      for row in 0..<rows where workspace.computes {
        y.buffer.load(at: row * columns, columns, precision, into: scratch.base)
        ck_multiply(scratch.base, parameters.base + scale.offset, columns)
        if let bias { ck_add(scratch.base, bias, columns) }
        z.buffer.store(scratch.base, at: row * columns, columns, precision)
      }
    }
    record { [unowned self, output = z.slot] in
      guard let gradients, let dz = output.take() else { return }
      let upstream = workspace.allocate(columns), own = workspace.allocate(columns)
      let dg = gradients.base + scale.offset
      for row in 0..<rows where workspace.computes {
        dz.load(at: row * columns, columns, precision, into: upstream.base)
        y.buffer.load(at: row * columns, columns, precision, into: own.base)
        ck_multiply(own.base, upstream.base, columns)
        ck_add(dg, own.base, columns)
        ck_multiply(upstream.base, parameters.base + scale.offset, columns)
        dz.store(upstream.base, at: row * columns, columns, precision)
      }
      if y.needsGradient { y.slot.add(moving: dz, in: workspace) }
    }
    return z
  }
}
