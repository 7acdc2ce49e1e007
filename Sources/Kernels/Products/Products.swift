import CKernels

/// Which way a product goes through a weight W [out, in].
public enum ProductDirection: Hashable, Sendable {
  /// y = x Wᵀ.
  case forward
  /// dx = dy W.
  case backward
}

/// One worker's matrix products in either precision: oneDNN if the program was built with it, otherwise OpenBLAS.
///
/// Sums are float32 for both. A product runs on the calling thread unless the worker has a team. Belongs to one thread
/// at a time, like its workspace.
public final class Products {
  #if ONEDNN
    private let library = OneDNN()
  #endif

  /// Whether products are oneDNN's.
  private var hasLibrary: Bool {
    #if ONEDNN
      library != nil
    #else
      false
    #endif
  }

  /// Floating-point operations of all products so far, including padding rows.
  public private(set) var operations = 0.0

  /// Floating-point operations by the name of the library's code for them, `brg:avx512_core_bf16`; empty if they are
  /// OpenBLAS's.
  public var implementations: [String: Double] {
    #if ONEDNN
      library?.implementations ?? [:]
    #else
      [:]
    #endif
  }

  /// Threads that share large products; nil if the calling thread works alone.
  var team: Team?

  private let computes: Bool

  /// Products are compiled when first needed. Without `computes`, products are only counted.
  public init(computes: Bool = true) { self.computes = computes }

  /// `oneDNN` or `OpenBLAS`.
  public static var libraryName: String {
    #if ONEDNN
      OneDNN.isUsable ? "oneDNN" : "OpenBLAS"
    #else
      "OpenBLAS"
    #endif
  }

  /// Whether the processor has bfloat16 instructions; without them float32 is faster.
  public static var hasBFloat16: Bool {
    #if ONEDNN
      OneDNN.hasBFloat16
    #else
      false
    #endif
  }

  /// Products have a multiple of this many rows, so that sequences of all lengths share few of the shapes that oneDNN
  /// compiles code for. The surplus rows of tensors are zero.
  public static let rowMultiple = 16

  /// `rows` rounded up to a multiple of `rowMultiple`, except 1.
  public static func padded(_ rows: Int) -> Int {
    rows == 1 ? 1 : (rows + rowMultiple - 1) / rowMultiple * rowMultiple
  }

  /// C ← A B + bias, or C ← C + A B + bias: A is m×k, B k×n, C m×n (not transposed), bias n float32 numbers.
  ///
  /// oneDNN's rows do not depend on the others, so that a team cuts a product with a weight (`byRows`) between rows, as one
  /// with a packed weight: both have the same bits.
  public func multiply(
    _ m: Int, _ n: Int, _ k: Int, _ a: Operand, _ b: Operand, into c: Operand, accumulate: Bool = false,
    bias: UnsafePointer<Float>? = nil, byRows: Bool = false
  ) {
    guard m > 0, n > 0 else { return }
    operations += 2 * Double(m) * Double(n) * Double(k)
    guard computes else { return }
    // Few pieces: each rearranges all of the weight.
    if let team, byRows, hasLibrary {
      guard let size = ProductPieces.rows(m, n, k, pieces: team.threads) else {
        return multiplyAlone(m, n, k, a, b, into: c, accumulate: accumulate, bias: bias)
      }
      return team.forEach((m + size - 1) / size) { piece, products in
        let start = piece * size
        products.multiplyAlone(
          min(size, m - start), n, k, a.advanced(row: start), b, into: c.advanced(rows: start), accumulate: accumulate,
          bias: bias)
      }
    }
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
    multiplyAlone(m, n, k, a, b, into: c, accumulate: accumulate, bias: bias)
  }

  /// The same on this thread.
  private func multiplyAlone(
    _ m: Int, _ n: Int, _ k: Int, _ a: Operand, _ b: Operand, into c: Operand, accumulate: Bool,
    bias: UnsafePointer<Float>?
  ) {
    #if ONEDNN
      if library?.multiply(heads: 1, m, n, k, a, b, into: c, accumulate: accumulate, bias: bias) == true { return }
    #endif
    precondition(a.precision == .float32, "bfloat16 products need oneDNN")
    Kernels.multiply(m, n, k, a.view, b.view, beta: accumulate ? 1 : 0, c.view)
    if let bias {
      for row in 0..<m { ck_add(c.view.base + row * c.stride, bias, n) }
    }
  }

  /// The same for every head of every group: `groups` × `heads` products of m×k by k×n. `operands` gives the A, B and C of
  /// a group. The C's must not overlap.
  public func multiply(
    groups: Int = 1, heads: Int, _ m: Int, _ n: Int, _ k: Int, accumulate: Bool = false,
    _ operands: (_ group: Int) -> (a: Operand, b: Operand, c: Operand)
  ) {
    guard m > 0, n > 0 else { return }
    let work = 2 * Double(groups * heads) * Double(m) * Double(n) * Double(k)
    guard computes else {
      operations += work
      return
    }
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
        if library?.multiply(heads: heads, m, n, k, a, b, into: c, accumulate: accumulate, bias: nil) == true {
          operations += work / Double(groups)
          continue
        }
      #endif
      for head in 0..<heads {
        multiply(m, n, k, a.head(head), b.head(head), into: c.head(head), accumulate: accumulate)
      }
    }
  }

  /// C ← A Wᵀ + bias or, backwards, C ← A W for a packed weight and m rows A; added to C if it is to `accumulate`.
  public func multiply(
    _ m: Int, _ a: Operand, _ weight: PackedMatrix, _ direction: ProductDirection, into c: Operand,
    accumulate: Bool = false, bias: UnsafePointer<Float>? = nil
  ) {
    let (n, k) = direction == .forward ? (weight.rows, weight.columns) : (weight.columns, weight.rows)
    guard m > 0, n > 0 else { return }
    count(m, n, k)
    guard computes else { return }
    // Every piece reads the whole weight, if need be from memory.
    let isCached = n * k <= ProductPieces.largestCached
    if let team, let size = ProductPieces.rows(m, n, k, pieces: isCached ? ProductPieces.most : team.threads) {
      return team.forEach((m + size - 1) / size) { piece, products in
        let start = piece * size
        products.multiply(
          min(size, m - start), a.advanced(row: start), weight, direction, into: c.advanced(rows: start),
          accumulate: accumulate, bias: bias)
      }
    }
    #if ONEDNN
      let done = library?.multiply(
        m, n, k, a, weight.values(direction), weight.precision, direction, into: c, accumulate: accumulate, bias: bias)
      if done == true { return }
    #endif
    preconditionFailure("packed weights need oneDNN")
  }

  /// Whether the library has layouts of its own for weights.
  public static var hasPackedLayouts: Bool {
    #if ONEDNN
      OneDNN.isUsable
    #else
      false
    #endif
  }

  /// W [rows, columns] in oneDNN's own layout for one direction; nil if it has none.
  static func pack(_ matrix: Operand, rows: Int, columns: Int, _ direction: ProductDirection) -> ResidentMemory? {
    #if ONEDNN
      OneDNN()?.pack(matrix, rows: rows, columns: columns, direction)
    #else
      nil
    #endif
  }

  /// C ← A B in whole numbers: rows A [m, k] and rounded weights.
  func multiply(
    _ a: UnsafePointer<UInt8>, _ pass: Int8Matrix.Pass, _ direction: ProductDirection, _ m: Int, _ n: Int, _ k: Int,
    into c: UnsafeMutablePointer<Int32>
  ) {
    guard computes else { return }
    #if ONEDNN
      let shape = OneDNN.Int8Shape(
        m: Int32(m), n: Int32(n), k: Int32(k), direction: direction, layout: pass.layout)
      if library?.multiply(shape, a, pass.values.base, into: c) == true { return }
    #endif
    preconditionFailure("int8 products need oneDNN")
  }

  /// Counts a product that pieces of it do not count.
  public func count(_ m: Int, _ n: Int, _ k: Int) { operations += 2 * Double(m) * Double(n) * Double(k) }

  /// The products of a member of the team: compiled ones belong to a thread.
  public func member(_ index: Int) -> Products { team?.products(of: index) ?? self }
}
