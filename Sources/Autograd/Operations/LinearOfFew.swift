import CKernels
import Kernels

extension Tape {
  /// The most rows that `linearOfFew` takes.
  public static var fewRows: Int { Int(CK_FEW) }

  /// `linear` for a few rows, as in generating text token by token. Reading the weights takes the time, so each is read
  /// once, in its stored type, by all threads of the workspace's team. It has no derivative.
  public func linearOfFew(_ x: Tensor, _ maps: [AdaptedLinear]) -> [Tensor] {
    precondition(x.rows <= Self.fewRows)
    return maps.map { map in
      let linear = map.linear
      precondition(linear.inFeatures == x.columns)
      let y = make(x.layout, columns: linear.outFeatures, needsGradient: false)
      FewRowsProduct(x: x.base, y: y.base, rows: x.rows, linear: linear).run(in: workspace)
      if let bias = map.productBias { withFloats(bias) { ck_add_bias(y.base, $0, y.rows, y.columns) } }
      if let adapter = map.adapter { add(adapter, x, to: y) }
      guard let rowScale = map.adapter?.rowScale else { return y }
      return scaledColumns(y, rowScale, bias: map.addsBias ? linear.bias : nil)
    }
  }

  /// y += scale · (x Aᵀ) Bᵀ.
  private func add(_ adapter: LowRankAdapter, _ x: Tensor, to y: Tensor) {
    let rank = adapter.a.rows, rows = x.rows
    let h = workspace.allocate(rows * rank), update = workspace.allocate(y.count)
    ck_few_times_rows(
      h.base, rank, x.base, x.columns, rows, parameters.base + adapter.a.offset, ck_stored_float32, 0, rank, x.columns)
    ck_few_times_rows(
      update.base, y.columns, h.base, rank, rows, parameters.base + adapter.b.offset, ck_stored_float32, 0, y.columns,
      rank)
    ck_scale(update.base, adapter.scale, y.count)
    ck_add(y.base, update.base, y.count)
    if let sparse = adapter.sparse { addSparse(sparse, x, to: y) }
  }
}

/// One product of a few rows, whose outputs the threads divide among themselves.
private struct FewRowsProduct {
  let x: UnsafePointer<Float>
  let y: UnsafeMutablePointer<Float>
  let rows: Int
  let linear: FrozenLinear

  /// Pieces per thread. If a stored row is an output, several balance the load. If it is an input, each piece reads a
  /// part of every row, which must not be short.
  private var piecesEach: Int {
    switch linear.layout {
    case .rows: 4
    case .columns: 1
    }
  }

  /// Pieces have a multiple of this many outputs, whole blocks of the kernels, so that sums have the same bits at any
  /// number of threads.
  private static let smallestPiece = 64

  func run(in workspace: Workspace) {
    let count = linear.outFeatures, members = workspace.members
    guard members > 1 else { return run(0..<count) }
    let wanted = members * piecesEach
    let size = max(1, count / wanted / Self.smallestPiece) * Self.smallestPiece
    workspace.forEach((count + size - 1) / size, work: count * linear.inFeatures) { piece, _ in
      run(piece * size..<min(count, (piece + 1) * size))
    }
  }

  private func run(_ range: Range<Int>) {
    let weight = linear.weight, inputs = linear.inFeatures, outputs = linear.outFeatures
    let stored = weight.elementType.stored
    switch linear.layout {
    case .rows:
      if let order = weight.rowOrder {
        for row in range {
          ck_few_times_rows(
            y + row, outputs, x, inputs, rows, weight.bytes, stored, order.stored(row), 1, inputs)
        }
        return
      }
      ck_few_times_rows(
        y + range.lowerBound, outputs, x, inputs, rows, weight.bytes, stored, range.lowerBound, range.count, inputs)
    case .columns(let columns):
      ck_few_times_columns(
        y + range.lowerBound, outputs, x, inputs, rows, weight.bytes, stored, columns.lowerBound + range.lowerBound,
        inputs, range.count, weight.columns)
    }
  }
}
