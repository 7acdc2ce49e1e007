/// Matrix products of either precision for one worker: oneDNN where the program was built with it, else OpenBLAS.
///
/// Sums are float32 whatever the operands are; a product runs on the calling thread alone. It belongs to one thread at
/// a time, like the workspace that owns it.
public final class Products {
  #if ONEDNN
    private let library = OneDNN()
  #endif

  /// Nothing is compiled before the first product.
  public init() {}

  /// `oneDNN` or `OpenBLAS`.
  public static var libraryName: String {
    #if ONEDNN
      "oneDNN"
    #else
      "OpenBLAS"
    #endif
  }

  /// Whether bfloat16 products run on instructions made for them; without these they would be slower than float32.
  public static var hasBFloat16: Bool {
    #if ONEDNN
      OneDNN.hasBFloat16
    #else
      false
    #endif
  }

  /// Rows of a product are a multiple of this. oneDNN compiles code for every shape, so that sequences of all lengths
  /// must share few of them. Tensors have zeros in the rows that are too many.
  public static let rowMultiple = 16

  /// `rows` rounded up to the multiple; one row stays one.
  public static func padded(_ rows: Int) -> Int {
    rows == 1 ? 1 : (rows + rowMultiple - 1) / rowMultiple * rowMultiple
  }

  /// C ← A B + bias, or C ← C + A B + bias: A is m×k, B is k×n, C (not transposed) m×n, bias n float32 numbers.
  public func multiply(
    _ m: Int, _ n: Int, _ k: Int, _ a: Operand, _ b: Operand, into c: Operand, accumulate: Bool = false,
    bias: UnsafePointer<Float>? = nil
  ) {
    guard m > 0, n > 0 else { return }
    #if ONEDNN
      if library.multiply(m, n, k, a, b, into: c, accumulate: accumulate, bias: bias) { return }
    #endif
    precondition(a.precision == .float32, "bfloat16 products need oneDNN")
    Kernels.multiply(m, n, k, a.view, b.view, beta: accumulate ? 1 : 0, c.view)
    if let bias {
      for row in 0..<m { addVectors(c.view.base + row * c.stride, bias, n) }
    }
  }

  /// The same for every head: `heads` products of m×k by k×n.
  ///
  /// In the arrangement `columns` a head's matrix has as many columns as stored, and rows lie `heads` times that apart.
  public func multiply(
    heads: Int, _ m: Int, _ n: Int, _ k: Int, _ a: HeadOperand, _ b: HeadOperand, into c: HeadOperand,
    accumulate: Bool = false
  ) {
    guard m > 0, n > 0 else { return }
    #if ONEDNN
      if library.multiply(heads: heads, m, n, k, a, b, into: c, accumulate: accumulate) { return }
    #endif
    for head in 0..<heads {
      multiply(
        m, n, k, a.operand(of: head, heads: heads, m, k), b.operand(of: head, heads: heads, k, n),
        into: c.operand(of: head, heads: heads, m, n), accumulate: accumulate)
    }
  }
}

extension HeadOperand {
  /// The matrix of one head; it is meant to have `rows` × `columns`.
  func operand(of head: Int, heads: Int, _ rows: Int, _ columns: Int) -> Operand {
    let (storedRows, storedColumns) = isTransposed ? (columns, rows) : (rows, columns)
    let offset = arrangement == .columns ? head * storedColumns : head * storedRows * storedColumns
    return Operand(
      base + offset * precision.byteCount, precision,
      stride: arrangement == .columns ? heads * storedColumns : storedColumns, isTransposed: isTransposed)
  }
}
