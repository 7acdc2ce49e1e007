import CKernels
import Kernels

extension Tape {
  /// The most rows that `linearOfFew` takes.
  public static var fewRows: Int { Int(CK_FEW) }

  /// `linear` for a few rows, as in generating text token by token. Reading the weights takes the time, so each is read
  /// once, in its stored type, by all threads of the workspace's team. It has no derivative.
  ///
  /// With weights in blocks of 256 numbers, x is rounded to 16 bits where that is faster on this machine.
  public func linearOfFew(_ x: Tensor, _ maps: [AdaptedLinear]) -> [Tensor] {
    precondition(x.rows <= Self.fewRows)
    let digits = maps.contains { ck_takes_digits($0.linear.weight.elementType.stored) } ? digits(x) : nil
    return maps.map { map in
      let linear = map.linear
      precondition(linear.inFeatures == x.columns)
      let y = make(x.layout, columns: linear.outFeatures, needsGradient: false)
      FewRowsProduct(
        x: x.base, digits: digits.map { UnsafeRawPointer($0.base) }, y: y.base, rows: x.rows, linear: linear
      )
      .run(in: workspace)
      if let bias = map.productBias { withFloats(bias) { ck_add_bias(y.base, $0, y.rows, y.columns) } }
      if let adapter = map.adapter { add(adapter, x, to: y) }
      guard let rowScale = map.adapter?.rowScale else { return y }
      return scaledColumns(y, rowScale, bias: map.addsBias ? linear.bias : nil)
    }
  }

  /// The rows of x as products in whole numbers take them.
  private func digits(_ x: Tensor) -> Buffer {
    let size = ck_digits_size(x.columns), digits = workspace.allocate(x.rows * size / 4)
    for row in 0..<x.rows { ck_digits(digits.base + row * size / 4, x.row(row), x.columns) }
    return digits
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
  /// x as products in whole numbers take it.
  let digits: UnsafeRawPointer?
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
      guard let order = weight.rowOrder else {
        return run(storedRow: range.lowerBound, count: range.count, to: range.lowerBound)
      }
      for row in range { run(storedRow: order.stored(row), count: 1, to: row) }
    case .columns(let columns):
      ck_few_times_columns(
        y + range.lowerBound, outputs, x, inputs, rows, weight.bytes, stored, columns.lowerBound + range.lowerBound,
        inputs, range.count, weight.columns)
    }
  }

  /// The outputs of `count` stored rows, from output `first` on.
  private func run(storedRow: Int, count: Int, to first: Int) {
    let weight = linear.weight, inputs = linear.inFeatures, stride = linear.outFeatures
    let stored = weight.elementType.stored
    if let digits, ck_takes_digits(stored) {
      ck_few_digits_times_rows(y + first, stride, digits, rows, weight.bytes, stored, storedRow, count, inputs)
    } else {
      ck_few_times_rows(y + first, stride, x, inputs, rows, weight.bytes, stored, storedRow, count, inputs)
    }
  }
}
