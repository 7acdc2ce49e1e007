import CKernels
import Dispatch
import Kernels

extension Tape {
  /// The most rows that `linearOfFew` takes.
  public static var fewRows: Int { Int(CK_FEW) }

  /// `linear` for a few rows, as when text is made token by token: the time goes into reading the weights, so each is
  /// read once, as it is stored, by `threads` threads side by side. Nothing flows back.
  public func linearOfFew(_ x: Tensor, _ maps: [AdaptedLinear], threads: Int) -> [Tensor] {
    precondition(x.rows <= Self.fewRows)
    return maps.map { map in
      let linear = map.linear
      precondition(linear.inFeatures == x.columns)
      let y = make(x.layout, columns: linear.outFeatures, needsGradient: false)
      FewRowsProduct(x: x.base, y: y.base, rows: x.rows, linear: linear).run(threads: threads)
      if map.addsBias, let bias = linear.bias {
        withFloats(bias) { addBias(y.base, $0, rows: y.rows, columns: y.columns) }
      }
      if let adapter = map.adapter { add(adapter, x, to: y) }
      return y
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
    addFloats(y.base, update.base, y.count)
  }
}

/// One product of a few rows, whose outputs threads share out: each writes its own.
private struct FewRowsProduct: @unchecked Sendable {
  let x: UnsafePointer<Float>
  let y: UnsafeMutablePointer<Float>
  let rows: Int
  let linear: FrozenLinear

  /// Parts of fewer outputs are not worth a thread.
  private static let smallestPart = 64

  func run(threads: Int) {
    let count = linear.outFeatures, parts = min(threads, count / Self.smallestPart)
    guard parts > 1 else { return run(0..<count) }
    // Whole blocks of the kernels, so that sums have the same bits at any number of threads.
    let size = (count / parts + 15) / 16 * 16
    DispatchQueue.concurrentPerform(iterations: parts) { part in
      run(min(count, part * size)..<(part + 1 == parts ? count : min(count, (part + 1) * size)))
    }
  }

  private func run(_ range: Range<Int>) {
    let weight = linear.weight, inputs = linear.inFeatures, outputs = linear.outFeatures
    let stored: ck_stored =
      switch weight.elementType {
      case .float32: ck_stored_float32
      case .bfloat16: ck_stored_bfloat16
      case .float16: ck_stored_float16
      }
    switch linear.layout {
    case .rows:
      ck_few_times_rows(
        y + range.lowerBound, outputs, x, inputs, rows, weight.bytes, stored, range.lowerBound, range.count, inputs)
    case .columns(let columns):
      ck_few_times_columns(
        y + range.lowerBound, outputs, x, inputs, rows, weight.bytes, stored, columns.lowerBound + range.lowerBound,
        inputs, range.count, weight.columns)
    }
  }
}
