/// A row-major matrix of either precision, as an operand of a product.
public struct Operand {
  /// The first number.
  public let base: UnsafeMutableRawPointer
  /// The type of the numbers.
  public let precision: Precision
  /// The distance between the starts of stored rows, in numbers.
  public let stride: Int
  /// Whether this is the transpose of the stored matrix.
  public let isTransposed: Bool

  /// A matrix that starts at `base`.
  public init(_ base: UnsafeMutableRawPointer, _ precision: Precision, stride: Int, isTransposed: Bool = false) {
    self.base = base
    self.precision = precision
    self.stride = stride
    self.isTransposed = isTransposed
  }

  /// A float32 matrix.
  public init(_ base: UnsafeMutablePointer<Float>, stride: Int) {
    self.init(UnsafeMutableRawPointer(base), .float32, stride: stride)
  }

  /// The transpose, in the same memory.
  public var transposed: Operand { Operand(base, precision, stride: stride, isTransposed: !isTransposed) }

  /// The part from stored row `rows` and stored column `columns` on.
  public func advanced(rows: Int = 0, columns: Int = 0) -> Operand {
    Operand(
      base + (rows * stride + columns) * precision.byteCount, precision, stride: stride, isTransposed: isTransposed)
  }

  /// The part from row `row` on, after transposition.
  func advanced(row: Int) -> Operand { isTransposed ? advanced(columns: row) : advanced(rows: row) }

  /// The part from column `column` on, after transposition.
  func advanced(column: Int) -> Operand { isTransposed ? advanced(rows: column) : advanced(columns: column) }

  /// The matrix for OpenBLAS, which supports only float32.
  var view: MatrixView {
    precondition(precision == .float32)
    return MatrixView(base.assumingMemoryBound(to: Float.self), stride: stride, isTransposed: isTransposed)
  }
}

/// One matrix per attention head, at a constant distance.
public struct HeadOperand {
  /// The first number.
  public let base: UnsafeMutableRawPointer
  /// The type of the numbers.
  public let precision: Precision
  /// The distance between the starts of stored rows, in numbers.
  public let stride: Int
  /// The distance between the starts of heads, in numbers.
  public let headStride: Int
  /// Whether these are the transposes of the stored matrices.
  public let isTransposed: Bool

  /// Matrices that start at `base`.
  public init(
    _ base: UnsafeMutableRawPointer, _ precision: Precision, stride: Int, headStride: Int, isTransposed: Bool = false
  ) {
    self.base = base
    self.precision = precision
    self.stride = stride
    self.headStride = headStride
    self.isTransposed = isTransposed
  }

  /// The transposes, in the same memory.
  public var transposed: HeadOperand {
    HeadOperand(base, precision, stride: stride, headStride: headStride, isTransposed: !isTransposed)
  }

  /// The matrix of one head.
  func head(_ index: Int) -> Operand {
    Operand(
      base + index * headStride * precision.byteCount, precision, stride: stride, isTransposed: isTransposed)
  }
}
