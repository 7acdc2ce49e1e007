import Kernels

/// S [out, in] with trained numbers at fixed places and zeros elsewhere.
public struct SparseReference: Sendable {
  /// Which places have a number.
  public let places: SparsePlaces
  /// The numbers [nnz], in the order of the places.
  public let values: ParameterReference

  /// A matrix.
  public init(places: SparsePlaces, values: ParameterReference) {
    precondition(places.count == values.count)
    (self.places, self.values) = (places, values)
  }
}

/// Row and column of each number of a sparse matrix.
public struct SparsePlaces: Sendable, Equatable {
  /// The row of each.
  public let rows: [Int32]
  /// The column of each.
  public let columns: [Int32]

  /// As many rows as columns.
  public init(rows: [Int32], columns: [Int32]) {
    precondition(rows.count == columns.count)
    (self.rows, self.columns) = (rows, columns)
  }

  /// nnz.
  public var count: Int { rows.count }
}

extension Tape {
  /// y += S x for every row of x [N, in], in place (RoSA, arXiv 2401.04679, section 3).
  ///
  /// dx += Sᵀ dy; dS[i, j] += Σ over the rows of dy[i] · x[j], at the places of S alone.
  func addSparse(_ s: SparseReference, _ x: Tensor, to y: Tensor) {
    let forward = SparseBlocks(s.places, rows: x.rows, inputs: x.columns, outputs: y.columns)
    if workspace.computes {
      forward.forEach(in: workspace) { block, xs, ys in
        xs.load(x.buffer, x.precision, block)
        ys.clear()
        let values = parameters.base + s.values.offset
        for index in 0..<s.places.count {
          ys[s.places.rows[index]] += values[index] * xs[s.places.columns[index]]
        }
        ys.add(to: y.buffer, y.precision, block, in: workspace)
      }
    }
    record { [unowned self, input = x.source(x.precision, in: workspace), inputBuffer = x.buffer, output = y.slot] in
      guard let gradients, let dy = output.buffer, workspace.computes else { return }
      let precision = output.shape.precision, inputPrecision = input.slot.shape.precision
      let dx = input.needsGradient ? input.slot.zeroedAccumulator(in: workspace) : nil
      let values = parameters.base + s.values.offset, ds = gradients.base + s.values.offset
      forward.forEach(in: workspace) { block, xs, ys in
        xs.load(inputBuffer, inputPrecision, block)
        ys.load(dy, precision, block)
        for index in 0..<s.places.count {
          ds[index] += (ys[s.places.rows[index]] * xs[s.places.columns[index]]).sum()
        }
        guard let dx else { return }
        xs.clear()
        for index in 0..<s.places.count {
          xs[s.places.columns[index]] += values[index] * ys[s.places.rows[index]]
        }
        xs.add(to: dx, inputPrecision, block, in: workspace)
      }
    }
  }
}

/// Sixteen rows at a time, transposed, so that one number of S meets sixteen numbers side by side.
private struct SparseBlocks {
  let rows: Int
  let inputs: Int
  let outputs: Int

  init(_ places: SparsePlaces, rows: Int, inputs: Int, outputs: Int) {
    precondition(places.rows.allSatisfy { 0 <= $0 && $0 < outputs })
    precondition(places.columns.allSatisfy { 0 <= $0 && $0 < inputs })
    (self.rows, self.inputs, self.outputs) = (rows, inputs, outputs)
  }

  func forEach(in workspace: Workspace, _ body: (Range<Int>, TransposedRows, TransposedRows) -> Void) {
    let width = TransposedRows.width
    let xs = workspace.allocate(inputs * width), ys = workspace.allocate(outputs * width)
    let scratch = workspace.allocate(max(inputs, outputs))
    for start in stride(from: 0, to: rows, by: width) {
      body(
        start..<min(rows, start + width), TransposedRows(xs, scratch, columns: inputs),
        TransposedRows(ys, scratch, columns: outputs))
    }
  }
}

/// Up to sixteen rows of a matrix, column by column.
private struct TransposedRows {
  static let width = 16
  private let buffer: Buffer
  private let scratch: Buffer
  private let columns: Int

  init(_ buffer: Buffer, _ scratch: Buffer, columns: Int) {
    (self.buffer, self.scratch, self.columns) = (buffer, scratch, columns)
  }

  /// The sixteen numbers of a column.
  subscript(column: Int32) -> SIMD16<Float> {
    get { UnsafeRawPointer(buffer.base).loadUnaligned(fromByteOffset: 64 * Int(column), as: SIMD16<Float>.self) }
    nonmutating set {
      UnsafeMutableRawPointer(buffer.base).storeBytes(
        of: newValue, toByteOffset: 64 * Int(column), as: SIMD16<Float>.self)
    }
  }

  func clear() { buffer.base.update(repeating: 0, count: columns * Self.width) }

  /// The rows `block` of a matrix; those that are missing to sixteen are zero.
  func load(_ source: Buffer, _ precision: Precision, _ block: Range<Int>) {
    if block.count < Self.width { clear() }
    for (place, row) in block.enumerated() {
      source.load(at: row * columns, columns, precision, into: scratch.base)
      for column in 0..<columns { buffer.base[column * Self.width + place] = scratch.base[column] }
    }
  }

  /// Adds the rows to the rows `block` of a matrix.
  func add(to target: Buffer, _ precision: Precision, _ block: Range<Int>, in workspace: Workspace) {
    for (place, row) in block.enumerated() {
      target.load(at: row * columns, columns, precision, into: scratch.base)
      for column in 0..<columns { scratch.base[column] += buffer.base[column * Self.width + place] }
      target.store(scratch.base, at: row * columns, columns, precision)
    }
  }
}
