/// A row-major matrix of either precision as a product takes it.
public struct Operand {
  /// The first number.
  public let base: UnsafeMutableRawPointer
  /// What the numbers are.
  public let precision: Precision
  /// Numbers from one stored row's start to the next one's.
  public let stride: Int
  /// Whether the matrix meant is the transpose of the stored one.
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

  /// The transpose of this matrix: the same memory.
  public var transposed: Operand { Operand(base, precision, stride: stride, isTransposed: !isTransposed) }

  /// The matrix that starts `rows` rows and `columns` columns further.
  public func advanced(rows: Int = 0, columns: Int = 0) -> Operand {
    Operand(
      base + (rows * stride + columns) * precision.byteCount, precision, stride: stride, isTransposed: isTransposed)
  }

  /// The rows of the matrix meant, transposed or not, from `row` on.
  func advanced(row: Int) -> Operand { isTransposed ? advanced(columns: row) : advanced(rows: row) }

  /// The columns of the matrix meant, transposed or not, from `column` on.
  func advanced(column: Int) -> Operand { isTransposed ? advanced(rows: column) : advanced(columns: column) }

  /// This matrix for OpenBLAS, which knows float32 alone.
  var view: MatrixView {
    precondition(precision == .float32)
    return MatrixView(base.assumingMemoryBound(to: Float.self), stride: stride, isTransposed: isTransposed)
  }
}

/// One matrix for every head of an attention block, all at the same distance from each other.
public struct HeadOperand {
  /// The first number.
  public let base: UnsafeMutableRawPointer
  /// What the numbers are.
  public let precision: Precision
  /// Numbers from one stored row's start to the next one's.
  public let stride: Int
  /// Numbers from one head's start to the next one's.
  public let headStride: Int
  /// Whether each head's matrix is meant transposed.
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

  /// The transposes: the same memory.
  public var transposed: HeadOperand {
    HeadOperand(base, precision, stride: stride, headStride: headStride, isTransposed: !isTransposed)
  }

  /// The matrix of one head.
  func head(_ index: Int) -> Operand {
    Operand(
      base + index * headStride * precision.byteCount, precision, stride: stride, isTransposed: isTransposed)
  }
}
