import CKernels

/// Products of a worker in whole numbers.
public enum Int8Products {
  /// A row with a number of more than this times its root mean square is rounded in two digits.
  public static let spike: Float = 7

  /// Whether this machine has them: without VNNI or AMX, sums would saturate or be slower than bfloat16's.
  public static var isAvailable: Bool {
    #if ONEDNN
      OneDNN.hasInt8 && OneDNN.hasBFloat16
    #else
      false
    #endif
  }

  /// Rounded weights [rows, columns] in the layout that products are fastest with; nil if there is none.
  static func pack(_ values: ResidentMemory, rows: Int, columns: Int, _ direction: ProductDirection) -> ResidentMemory?
  {
    #if ONEDNN
      OneDNN()?.pack(values, rows: rows, columns: columns, direction)
    #else
      nil
    #endif
  }

  /// Rows of sums that a product gives at a time, so that they stay in the cache until they are scaled.
  static func piece(of rows: Int, outputs: Int, _ layout: Int8Layout) -> Int {
    // A library that packs the weights in every product wants more rows to pack them for.
    let least = layout == .packed ? 32 : 128
    return min(rows, max(least, min(128, 98_304 / outputs / 16 * 16)))
  }
}

extension Int8Matrix {
  /// The inputs x [rows, in] in bfloat16, rounded for the product with this matrix and all that have the same factors.
  public func rounded(_ x: UnsafePointer<UInt16>, rows: Int, in workspace: Workspace) -> Int8Rows {
    Int8Rows(x, rows: rows, factors: forward.factors, hasSecondDigit: true, in: workspace)
  }

  /// y ← x Wᵀ + bias [rows, out], or y + x Wᵀ + bias.
  public func multiply(
    _ x: Int8Rows, into y: Operand, accumulate: Bool, bias: UnsafePointer<Float>?, in workspace: Workspace
  ) {
    run(forward, .forward, x, outputs: rows, into: y, accumulate: accumulate, bias: bias, in: workspace)
  }

  /// dx ← dy W [rows, in], or dx + dy W, of dy [rows, out] in bfloat16.
  public func multiplyBackward(
    _ dy: UnsafePointer<UInt16>, rows: Int, into dx: Operand, accumulate: Bool, in workspace: Workspace
  ) {
    let rounded = Int8Rows(dy, rows: rows, factors: backward.factors, hasSecondDigit: false, in: workspace)
    run(backward, .backward, rounded, outputs: columns, into: dx, accumulate: accumulate, bias: nil, in: workspace)
  }

  private func run(
    _ pass: Pass, _ direction: ProductDirection, _ x: Int8Rows, outputs: Int, into y: Operand, accumulate: Bool,
    bias: UnsafePointer<Float>?, in workspace: Workspace
  ) {
    let products = workspace.products, terms = x.columns
    let rest = x.rest.map { rest in
      let sums = workspace.allocate(rest.rows * outputs)
      products.multiply(rest.values.bytes, pass, direction, rest.rows, outputs, terms, into: sums.int32)
      return sums
    }
    let size = Int8Products.piece(of: x.rows, outputs: outputs, pass.layout), pieces = (x.rows + size - 1) / size
    let sums = workspace.allocate(workspace.members * size * outputs)
    products.count(x.rows, outputs, terms)
    let corrections = pass.corrections.base.assumingMemoryBound(to: Int32.self)
    workspace.forEach(pieces, work: x.rows * outputs) { piece, member in
      let first = piece * size, count = min(size, x.rows - first), own = sums.int32 + member * size * outputs
      products.member(member).multiply(
        x.values.bytes + first * terms, pass, direction, count, outputs, terms, into: own)
      for row in 0..<count {
        let place = x.rest.map { Int($0.places[first + row]) } ?? -1
        ck_int8_finish(
          y.base + (first + row) * y.stride * y.precision.byteCount, y.precision == .bfloat16 ? 1 : 0,
          own + row * outputs, place < 0 ? nil : rest.map { UnsafePointer($0.int32 + place * outputs) }, corrections,
          pass.scales.base, x.scales.base[first + row], bias, accumulate ? 1 : 0, outputs)
      }
    }
  }
}
