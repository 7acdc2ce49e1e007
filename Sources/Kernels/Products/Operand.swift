import COpenBLAS

/// The type of activations and frozen weights while computing. Sums, norms, losses and everything trained are always
/// float32.
public enum Precision: String, Sendable, Hashable, CaseIterable {
  case float32
  case bfloat16

  /// Bytes of one number.
  public var byteCount: Int { self == .float32 ? 4 : 2 }
}

/// How a run computes with a frozen model.
public enum RunPrecision: String, Sendable, Hashable, CaseIterable {
  case float32
  case bfloat16
  /// The frozen linear maps in whole numbers of eight bits, everything else as in bfloat16.
  case int8

  /// What activations and adapters are multiplied in.
  public var activations: Precision { self == .float32 ? .float32 : .bfloat16 }
}

/// A row-major matrix of either precision as an operand of a product, or one such matrix per attention head.
public struct Operand {
  /// The first number.
  public let base: UnsafeMutableRawPointer
  /// The type of the numbers.
  public let precision: Precision
  /// The distance between the starts of stored rows, in numbers.
  public let stride: Int
  /// The distance between the starts of heads, in numbers.
  public let headStride: Int
  /// Whether this is the transpose of what is stored.
  public let isTransposed: Bool

  /// A matrix that starts at `base`, and one more at every `headStride` numbers.
  public init(
    _ base: UnsafeMutableRawPointer, _ precision: Precision, stride: Int, headStride: Int = 0,
    isTransposed: Bool = false
  ) {
    self.base = base
    self.precision = precision
    self.stride = stride
    self.headStride = headStride
    self.isTransposed = isTransposed
  }

  /// A float32 matrix.
  public init(_ base: UnsafeMutablePointer<Float>, stride: Int) {
    self.init(UnsafeMutableRawPointer(base), .float32, stride: stride)
  }

  /// The transpose, in the same memory.
  public var transposed: Operand {
    Operand(base, precision, stride: stride, headStride: headStride, isTransposed: !isTransposed)
  }

  /// The part from stored row `rows` and stored column `columns` on.
  public func advanced(rows: Int = 0, columns: Int = 0) -> Operand {
    Operand(
      base + (rows * stride + columns) * precision.byteCount, precision, stride: stride, isTransposed: isTransposed)
  }

  /// The part from row `row` on, after transposition.
  func advanced(row: Int) -> Operand { isTransposed ? advanced(columns: row) : advanced(rows: row) }

  /// The part from column `column` on, after transposition.
  func advanced(column: Int) -> Operand { isTransposed ? advanced(rows: column) : advanced(columns: column) }

  /// The matrix of one head.
  func head(_ index: Int) -> Operand {
    Operand(base + index * headStride * precision.byteCount, precision, stride: stride, isTransposed: isTransposed)
  }

  /// The numbers of a bfloat16 matrix.
  public var bf16: UnsafePointer<UInt16> {
    precondition(precision == .bfloat16)
    return UnsafePointer(base.assumingMemoryBound(to: UInt16.self))
  }

  /// The matrix for OpenBLAS, which supports only float32.
  var view: MatrixView {
    precondition(precision == .float32)
    return MatrixView(base.assumingMemoryBound(to: Float.self), stride: stride, isTransposed: isTransposed)
  }
}

/// A row-major matrix whose rows may be further apart than their length.
public struct MatrixView {
  /// The first element.
  public let base: UnsafeMutablePointer<Float>
  /// The distance between the starts of stored rows, in elements.
  public let stride: Int
  /// Whether this is the transpose of the stored matrix.
  public let isTransposed: Bool

  /// A view that starts at `base`.
  public init(_ base: UnsafeMutablePointer<Float>, stride: Int, isTransposed: Bool = false) {
    self.base = base
    self.stride = stride
    self.isTransposed = isTransposed
  }

  /// The transpose, in the same memory.
  public var transposed: MatrixView { MatrixView(base, stride: stride, isTransposed: !isTransposed) }
}

/// C ← alpha · A B + beta · C, where A is m×k, B is k×n and C (not transposed) is m×n; single-threaded.
@inline(__always)
public func multiply(
  _ m: Int, _ n: Int, _ k: Int, alpha: Float = 1, _ a: MatrixView, _ b: MatrixView, beta: Float = 0, _ c: MatrixView
) {
  BLASLibrary.makeSingleThreaded
  cblas_sgemm(
    CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans, blasint(m),
    blasint(n), blasint(k), alpha, a.base, blasint(a.stride), b.base, blasint(b.stride), beta, c.base,
    blasint(c.stride))
}
