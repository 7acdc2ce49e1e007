/// Matrix products of either precision for one worker: oneDNN where the program was built with it, else OpenBLAS.
///
/// Sums are float32 whatever the operands are; a product runs on the calling thread alone, unless the worker has a team.
/// It belongs to one thread at a time, like the workspace that owns it.
public final class Products {
  #if ONEDNN
    private let library = OneDNN()
  #endif

  /// Floating-point operations of all products so far, those of padding rows included.
  public private(set) var operations = 0.0

  /// Threads among which large products are shared out; nil where the calling thread makes them alone.
  var team: Team?

  /// Nothing is compiled before the first product.
  public init() {}

  /// `oneDNN` or `OpenBLAS`.
  public static var libraryName: String {
    #if ONEDNN
      OneDNN.isUsable ? "oneDNN" : "OpenBLAS"
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
    operations += 2 * Double(m) * Double(n) * Double(k)
    if let team, let cut = ProductPieces.cut(m, n, k) {
      let length = cut.rows ? m : n
      team.forEach((length + cut.size - 1) / cut.size) { piece, products in
        let start = piece * cut.size, count = min(cut.size, length - start)
        if cut.rows {
          products.multiply(
            count, n, k, a.advanced(row: start), b, into: c.advanced(rows: start), accumulate: accumulate, bias: bias)
        } else {
          products.multiply(
            m, count, k, a, b.advanced(column: start), into: c.advanced(columns: start), accumulate: accumulate,
            bias: bias.map { $0 + start })
        }
      }
      return
    }
    #if ONEDNN
      if library?.multiply(m, n, k, a, b, into: c, accumulate: accumulate, bias: bias) == true { return }
    #endif
    precondition(a.precision == .float32, "bfloat16 products need oneDNN")
    Kernels.multiply(m, n, k, a.view, b.view, beta: accumulate ? 1 : 0, c.view)
    if let bias {
      for row in 0..<m { addVectors(c.view.base + row * c.stride, bias, n) }
    }
  }

  /// The same for every head of every group: `groups` × `heads` products of m×k by k×n, where `operands` gives a group's
  /// A, B and C. No two of them may write to the same place.
  public func multiply(
    groups: Int = 1, heads: Int, _ m: Int, _ n: Int, _ k: Int, accumulate: Bool = false,
    _ operands: (_ group: Int) -> (a: HeadOperand, b: HeadOperand, c: HeadOperand)
  ) {
    guard m > 0, n > 0 else { return }
    let work = 2 * Double(groups * heads) * Double(m) * Double(n) * Double(k)
    if let team, groups * heads > 1, work >= ProductPieces.smallest {
      operations += work
      team.forEach(groups * heads) { piece, products in
        let (a, b, c) = operands(piece / heads), head = piece % heads
        products.multiply(m, n, k, a.head(head), b.head(head), into: c.head(head), accumulate: accumulate)
      }
      return
    }
    for group in 0..<groups {
      let (a, b, c) = operands(group)
      #if ONEDNN
        if library?.multiply(heads: heads, m, n, k, a, b, into: c, accumulate: accumulate) == true {
          operations += work / Double(groups)
          continue
        }
      #endif
      for head in 0..<heads {
        multiply(m, n, k, a.head(head), b.head(head), into: c.head(head), accumulate: accumulate)
      }
    }
  }
}
