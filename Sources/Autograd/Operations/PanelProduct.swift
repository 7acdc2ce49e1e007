import Kernels

extension Tape {
  /// y ← x Wᵀ + bias, or y ← y + x Wᵀ + bias, for `rows` rows of x [N, in] and the map's W [out, in].
  ///
  /// A weight that is not held in the tape's precision is not made whole: some rows of W at a time, a *panel* of about
  /// 8 MiB, are widened into scratch memory and give as many columns of y. Panels depend on the shape of W alone.
  func multiplyFrozen(
    _ rows: Int, _ x: Operand, byTransposed linear: FrozenLinear, into y: Operand, accumulate: Bool,
    bias: UnsafePointer<Float>?
  ) {
    let products = workspace.products, inputs = linear.inFeatures, outputs = linear.outFeatures
    guard usesPanels(linear.weight) else {
      return withOperand(linear.weight) { w in
        products.multiply(
          rows, outputs, inputs, x, linear.matrix(w).transposed, into: y, accumulate: accumulate, bias: bias,
          byRows: true)
      }
    }
    for part in Panels.cut(outputs, by: inputs, precision, multiple: linear.cutMultiple(along: .outputs)) {
      withPanel(linear, outputs: part, inputs: 0..<inputs) { w in
        products.multiply(
          rows, part.count, inputs, x, w.transposed, into: y.advanced(columns: part.lowerBound),
          accumulate: accumulate, bias: bias.map { $0 + part.lowerBound }, byRows: true)
      }
    }
  }

  /// dx ← dy W, or dx ← dx + dy W.
  ///
  /// Panels are columns of W here, so that each column of dx is one product over all of dy: nothing is added up in
  /// bfloat16.
  func multiplyFrozen(_ rows: Int, _ dy: Operand, by linear: FrozenLinear, into dx: Operand, accumulate: Bool) {
    let products = workspace.products, inputs = linear.inFeatures, outputs = linear.outFeatures
    guard usesPanels(linear.weight) else {
      return withOperand(linear.weight) { w in
        products.multiply(
          rows, inputs, outputs, dy, linear.matrix(w), into: dx, accumulate: accumulate, byRows: true)
      }
    }
    for part in Panels.cut(inputs, by: outputs, precision, multiple: linear.cutMultiple(along: .inputs)) {
      withPanel(linear, outputs: 0..<outputs, inputs: part) { w in
        products.multiply(
          rows, part.count, outputs, dy, w, into: dx.advanced(columns: part.lowerBound), accumulate: accumulate,
          byRows: true)
      }
    }
  }

  /// Whether products with `weight` take it in panels.
  func usesPanels(_ weight: FrozenTensor) -> Bool {
    !weight.isStored(in: precision) && (weight.elementType.isQuantised || precision == .bfloat16)
  }

  /// Runs `body` with a part of W [out, in] in the tape's precision, which the workspace's threads write together.
  private func withPanel(
    _ linear: FrozenLinear, outputs: Range<Int>, inputs: Range<Int>, _ body: (Operand) -> Void
  ) {
    let scratch = workspace.allocate(outputs.count * inputs.count, precision)
    switch linear.layout {
    case .rows:
      write(linear.weight, rows: outputs, columns: inputs, to: scratch)
      body(operand(scratch, stride: inputs.count))
    case .columns(let all):
      let columns = all.lowerBound + outputs.lowerBound..<all.lowerBound + outputs.upperBound
      write(linear.weight, rows: inputs, columns: columns, to: scratch)
      body(operand(scratch, stride: outputs.count).transposed)
    }
  }

  /// Writes a part of a stored matrix in the tape's precision, without gaps.
  func write(_ weight: FrozenTensor, rows: Range<Int>, columns: Range<Int>, to scratch: Buffer) {
    let size = precision.byteCount * columns.count, base = UnsafeMutableRawPointer(scratch.base)
    workspace.forEachRange(of: rows.count, numbers: columns.count) { part in
      weight.write(
        rows: rows.lowerBound + part.lowerBound..<rows.lowerBound + part.upperBound, columns: columns, in: precision,
        to: base + part.lowerBound * size)
    }
  }
}

/// How a weight is cut.
enum Panels {
  /// Bytes of a panel: it stays in the cache between widening and multiplying, and is large enough for products at full
  /// rate.
  private static let bytes = 8 << 20
  /// Narrower panels read x again and again.
  private static let narrowest = 256

  /// Ranges of `count` rows or columns of `length` numbers each, in multiples of `multiple`.
  static func cut(_ count: Int, by length: Int, _ precision: Precision, multiple: Int) -> [Range<Int>] {
    let wanted = max(narrowest, bytes / (precision.byteCount * max(1, length)))
    let size = max(multiple, wanted / multiple * multiple)
    return stride(from: 0, to: count, by: size).map { $0..<min(count, $0 + size) }
  }
}

extension FrozenLinear {
  /// A side of W.
  fileprivate enum Side { case outputs, inputs }

  /// What a cut along a side must be a multiple of: stored rows are cut anywhere, stored columns between blocks.
  fileprivate func cutMultiple(along side: Side) -> Int {
    (layout == .rows) == (side == .inputs) ? max(64, weight.elementType.blockSize) : 64
  }
}
