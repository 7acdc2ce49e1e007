import CKernels
import Kernels

extension Tape {
  /// y_t = scale · table_0[ids_0[t]] + Σ_k table_k[ids_k[t]]: sums rows of frozen tables [V, C] → [N, C]. The caller
  /// has checked the ids.
  public func embedding(
    _ layout: PackedLayout, _ tables: [(table: FrozenTensor, ids: [Int32])], scale: Float = 1
  ) -> Tensor {
    let columns = tables[0].table.columns
    let y = make(layout, columns: columns, needsGradient: false)
    let row = workspace.allocate(columns)
    guard workspace.computes else { return y }
    for (index, (table, ids)) in tables.enumerated() {
      precondition(ids.count == layout.rows && table.columns == columns)
      for (token, id) in ids.enumerated() {
        let start = Int(id) * columns
        precondition(id >= 0 && start + columns <= table.count)
        if index == 0 {
          table.widen(range: start..<(start + columns), into: y.row(token))
          if scale != 1 { ck_scale(y.row(token), scale, columns) }
        } else {
          table.widen(range: start..<(start + columns), into: row.base)
          ck_add(y.row(token), row.base, columns)
        }
      }
    }
    return y
  }
}
