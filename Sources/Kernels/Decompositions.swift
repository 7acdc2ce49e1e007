import COpenBLAS

/// Factors of a matrix M [rows, columns], by OpenBLAS's LAPACK.
///
/// Computed in double precision on the calling thread and rounded once, with signs fixed: the kernels that OpenBLAS picks
/// for a processor change the results by rounding only. Where singular values coincide, any basis of their space is as
/// good, and theirs is the library's.
public enum Decompositions {
  /// M = U diag(s) Vᵀ with the largest `count` singular values, or all, s descending. The entry of largest magnitude of
  /// every column of U is positive.
  public static func singular(
    _ matrix: [Float], rows: Int, columns: Int, count: Int? = nil
  ) throws(DecompositionError) -> SingularFactors {
    let m = try doubles(matrix, rows, columns)
    return try singular(m, rows, columns).keeping(count)
  }

  /// The largest `count` singular values and their vectors, approximately: M is looked at through `count` and `excess`
  /// random directions, which `iterations` products with M Mᵀ turn towards its largest ones (Halko et al., arXiv
  /// 0909.4061, algorithm 4.4). The same for the same seed and stream.
  public static func approximateSingular(
    _ matrix: [Float], rows: Int, columns: Int, count: Int, excess: Int, iterations: Int, philox: Philox, stream: UInt64
  ) throws(DecompositionError) -> SingularFactors {
    let m = try doubles(matrix, rows, columns), width = min(count + excess, rows, columns)
    let random = philox.normal(columns * width, deviation: 1, stream: stream).map(Double.init)
    var basis = try orthogonal(product(rows, width, columns, m, random), rows, width).q
    for _ in 0..<iterations {
      let other = try orthogonal(product(columns, width, rows, m, basis, transposesA: true), columns, width).q
      basis = try orthogonal(product(rows, width, columns, m, other), rows, width).q
    }
    var factors = try singular(product(width, columns, rows, basis, m, transposesA: true), width, columns)
    factors.left = product(rows, width, width, basis, factors.left)
    factors.rows = rows
    return factors.keeping(count)
  }

  /// M = Q R with k = min(rows, columns) orthonormal columns of Q [rows, k] and R [k, columns], which is upper triangular
  /// and has no negative number on its diagonal.
  public static func orthogonal(
    _ matrix: [Float], rows: Int, columns: Int
  ) throws(DecompositionError) -> (q: [Float], r: [Float]) {
    let (q, r) = try orthogonal(doubles(matrix, rows, columns), rows, columns)
    return (q.map { Float($0) }, r.map { Float($0) })
  }

  private static func doubles(_ matrix: [Float], _ rows: Int, _ columns: Int) throws(DecompositionError) -> [Double] {
    precondition(matrix.count == rows * columns)
    BLASLibrary.makeSingleThreaded
    if !matrix.allSatisfy(\.isFinite) { throw .notFinite }
    return matrix.map(Double.init)
  }

  /// A matrix by rows is its transpose by columns, which LAPACK takes: Mᵀ = V diag(s) Uᵀ.
  private static func singular(
    _ matrix: [Double], _ rows: Int, _ columns: Int
  ) throws(DecompositionError) -> RawFactors {
    let k = min(rows, columns)
    var factors = RawFactors(rows: rows, columns: columns, k)
    if k == 0 { return factors }
    var a = matrix, m = Int32(columns), n = Int32(rows), least = Int32(k), info = Int32(0), query = 0.0
    var places = [Int32](repeating: 0, count: 8 * k), size = Int32(-1)
    dgesdd_(
      "S", &m, &n, &a, &m, &factors.s, &factors.right, &m, &factors.left, &least, &query, &size, &places, &info, 1)
    var work = [Double](repeating: 0, count: Int(query))
    size = Int32(query)
    dgesdd_("S", &m, &n, &a, &m, &factors.s, &factors.right, &m, &factors.left, &least, &work, &size, &places, &info, 1)
    if info != 0 { throw .noConvergence }
    return factors
  }

  private static func orthogonal(
    _ matrix: [Double], _ rows: Int, _ columns: Int
  ) throws(DecompositionError) -> (q: [Double], r: [Double]) {
    let k = min(rows, columns)
    if k == 0 { return ([], []) }
    var a = transposed(matrix, rows, columns)
    var m = Int32(rows), n = Int32(columns), least = Int32(k), info = Int32(0), size = Int32(-1), query = 0.0
    var tau = [Double](repeating: 0, count: k)
    dgeqrf_(&m, &n, &a, &m, &tau, &query, &size, &info)
    var work = [Double](repeating: 0, count: max(Int(query), k))
    size = Int32(work.count)
    dgeqrf_(&m, &n, &a, &m, &tau, &work, &size, &info)
    var r = [Double](repeating: 0, count: k * columns)
    for row in 0..<k {
      for column in row..<columns { r[row * columns + column] = a[column * rows + row] }
    }
    dorgqr_(&m, &least, &least, &a, &m, tau, &work, &size, &info)
    if info != 0 { throw .noConvergence }
    var q = transposed(Array(a[0..<(rows * k)]), k, rows)
    for row in 0..<k where r[row * columns + row] < 0 {
      for column in row..<columns { r[row * columns + column].negate() }
      for index in stride(from: row, to: q.count, by: k) { q[index].negate() }
    }
    return (q, r)
  }

  private static func transposed(_ matrix: [Double], _ rows: Int, _ columns: Int) -> [Double] {
    var result = [Double](repeating: 0, count: matrix.count)
    for row in 0..<rows {
      for column in 0..<columns { result[column * rows + row] = matrix[row * columns + column] }
    }
    return result
  }

  /// A B [m, n] with inner dimension k; `transposesA`: A is [k, m].
  private static func product(
    _ m: Int, _ n: Int, _ k: Int, _ a: [Double], _ b: [Double], transposesA: Bool = false
  ) -> [Double] {
    var c = [Double](repeating: 0, count: m * n)
    if c.isEmpty || k == 0 { return c }
    cblas_dgemm(
      CblasRowMajor, transposesA ? CblasTrans : CblasNoTrans, CblasNoTrans, Int32(m), Int32(n), Int32(k), 1, a,
      Int32(transposesA ? m : k), b, Int32(n), 0, &c, Int32(n))
    return c
  }
}

/// Singular values with their vectors.
public struct SingularFactors: Sendable, Equatable {
  /// How many there are.
  public let count: Int
  /// U [rows, count].
  public let left: [Float]
  /// The singular values, descending.
  public let values: [Float]
  /// Vᵀ [count, columns].
  public let right: [Float]

  /// The last `count` columns of U: the directions in which M does least.
  public func lastLeft(_ count: Int) -> [Float] {
    Dense.columns(left, of: self.count, from: self.count - count, count: count)
  }
}

/// Why a matrix has no factors.
public enum DecompositionError: Error, Equatable {
  /// It holds NaN or infinite numbers.
  case notFinite
  /// LAPACK's iteration did not end.
  case noConvergence
}

/// All factors in double precision.
private struct RawFactors {
  var rows: Int
  let columns: Int
  let k: Int
  var left: [Double]
  var s: [Double]
  var right: [Double]

  init(rows: Int, columns: Int, _ k: Int) {
    (self.rows, self.columns, self.k) = (rows, columns, k)
    left = [Double](repeating: 0, count: rows * k)
    s = [Double](repeating: 0, count: k)
    right = [Double](repeating: 0, count: k * columns)
  }

  /// The largest `count`, signs fixed and rounded.
  func keeping(_ count: Int?) -> SingularFactors {
    let count = min(count ?? k, k)
    let signs = (0..<count).map(sign)
    var u = [Float](repeating: 0, count: rows * count)
    for row in 0..<rows {
      for column in 0..<count { u[row * count + column] = Float(left[row * k + column] * signs[column]) }
    }
    let vt = (0..<(count * columns)).map { Float(right[$0] * signs[$0 / columns]) }
    return SingularFactors(count: count, left: u, values: s[0..<count].map { Float($0) }, right: vt)
  }

  /// That of the first entry of a left vector whose magnitude is the largest, up to rounding.
  private func sign(_ column: Int) -> Double {
    let entries = stride(from: column, to: rows * k, by: k).map { left[$0] }
    let largest = entries.reduce(0) { max($0, abs($1)) }
    return entries.first { abs($0) >= largest * (1 - 1e-6) }.map { $0 < 0 ? -1 : 1 } ?? 1
  }
}
