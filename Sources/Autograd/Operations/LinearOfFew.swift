import CKernels
import Kernels

extension Tape {
  /// The most rows that `linearOfFew` takes.
  public static var fewRows: Int { Int(CK_FEW) }

  /// `linear` for a few rows, as in generating text token by token. Reading the weights takes the time, so each is read
  /// once, in its stored type, by all threads of the workspace's team. It has no derivative.
  ///
  /// With weights in blocks that take long to unpack (`ck_takes_digits`), x is rounded to 16 bits.
  public func linearOfFew(_ x: Tensor, _ maps: [AdaptedLinear]) -> [Tensor] {
    precondition(x.rows <= Self.fewRows)
    let x = widened(x)
    let digits = maps.contains { ck_takes_digits($0.linear.weight.elementType.stored) } ? digits(x) : nil
    let outputs = maps.map { make(x.layout, columns: $0.linear.outFeatures, needsGradient: false) }
    // All maps together, so that the threads meet once.
    let members = workspace.members
    let pieces = zip(maps, outputs).flatMap { map, y in
      precondition(map.linear.inFeatures == x.columns)
      let product = FewRowsProduct(
        x: x.base, digits: digits.map { UnsafeRawPointer($0.base) }, y: y.base, rows: x.rows, map.linear)
      return product.pieces(members).map { (product, $0) }
    }
    workspace.forEach(pieces.count, work: outputs.reduce(0) { $0 + $1.columns } * x.columns) { piece, _ in
      pieces[piece].0.run(pieces[piece].1)
    }
    withExtendedLifetime((maps, digits, outputs)) {}
    return zip(maps, outputs).map { map, y in
      if let bias = map.productBias { withFloats(bias) { ck_add_bias(y.base, $0, y.rows, y.columns) } }
      if let adapter = map.adapter { add(adapter, x, to: y) }
      guard let rowScale = map.adapter?.rowScale else { return y }
      return scaledColumns(y, rowScale, bias: map.addsBias ? map.linear.bias : nil)
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
      h.base, rank, x.base, x.columns, rows, parameters.base + adapter.a.offset, ck_stored_float32,
      ck_rows(first: 0, count: rank, head: 0), x.columns)
    ck_few_times_rows(
      update.base, y.columns, h.base, rank, rows, parameters.base + adapter.b.offset, ck_stored_float32,
      ck_rows(first: 0, count: y.columns, head: 0), rank)
    ck_scale(update.base, adapter.scale, y.count)
    ck_add(y.base, update.base, y.count)
    if let sparse = adapter.sparse { addSparse(sparse, x, to: y) }
  }
}

/// One product of a few rows, whose outputs the threads divide among themselves. It owns nothing: counting references would
/// make the threads wait for each other.
private struct FewRowsProduct {
  private let x: UnsafePointer<Float>
  /// x as products in whole numbers take it.
  private let digits: UnsafeRawPointer?
  private let y: UnsafeMutablePointer<Float>
  private let rows: Int
  private let inputs: Int
  private let outputs: Int
  private let weight: UnsafeRawPointer
  private let stored: ck_stored
  private let place: Place

  /// Where the map's numbers are in the weight.
  private enum Place {
    /// In whole rows from `first` on, in the order of `head`, as `ck_rows` has it.
    case rows(first: Int, head: Int)
    /// In columns from `first` on, of rows of `stride` numbers.
    case columns(first: Int, stride: Int)

    var isInRows: Bool {
      if case .rows = self { true } else { false }
    }
  }

  init(
    x: UnsafePointer<Float>, digits: UnsafeRawPointer?, y: UnsafeMutablePointer<Float>, rows: Int,
    _ linear: FrozenLinear
  ) {
    let tensor = linear.weight
    (self.x, self.y, self.rows) = (x, y, rows)
    (inputs, outputs, weight, stored) = (
      linear.inFeatures, linear.outFeatures, tensor.bytes, tensor.elementType.stored
    )
    switch linear.layout {
    case .rows: place = .rows(first: tensor.rowOrder?.first ?? 0, head: tensor.rowOrder?.headSize ?? 0)
    case .columns(let columns): place = .columns(first: columns.lowerBound, stride: tensor.columns)
    }
    self.digits = ck_takes_digits(stored) ? digits : nil
  }

  /// The outputs in pieces for `members` threads: one each, since memory is fastest in long stretches.
  func pieces(_ members: Int) -> [Range<Int>] {
    guard members > 1 else { return [0..<outputs] }
    // Outputs in columns are computed 64 at a time, so that sums have the same bits at any number of threads.
    let multiple = place.isInRows ? 16 : 64, each = (outputs + members - 1) / members
    let size = (each + multiple - 1) / multiple * multiple
    return stride(from: 0, to: outputs, by: size).map { $0..<min(outputs, $0 + size) }
  }

  /// Computes some outputs.
  func run(_ range: Range<Int>) {
    let y = y + range.lowerBound
    switch place {
    case .rows(let first, let head):
      let these = ck_rows(first: first + range.lowerBound, count: range.count, head: head)
      if let digits {
        ck_few_digits_times_rows(y, outputs, digits, rows, weight, stored, these, inputs)
      } else {
        ck_few_times_rows(y, outputs, x, inputs, rows, weight, stored, these, inputs)
      }
    case .columns(let first, let stride):
      ck_few_times_columns(
        y, outputs, x, inputs, rows, weight, stored, first + range.lowerBound, inputs, range.count, stride)
    }
  }
}
