import COpenBLAS

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
