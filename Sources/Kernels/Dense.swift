import CKernels

/// Small dense matrices as arrays, row by row: what methods do with their own tensors once a step.
///
/// Runs on the calling thread. Sums are those of one product, so that results do not depend on the number of threads.
public enum Dense {
  /// alpha · A B [m, n], where A is [m, k] and B [k, n]; an operand that is to be transposed first is [k, m] or [n, k].
  public static func product(
    _ m: Int, _ n: Int, _ k: Int, _ a: [Float], _ b: [Float], transposesA: Bool = false, transposesB: Bool = false,
    alpha: Float = 1
  ) -> [Float] {
    precondition(a.count == m * k && b.count == k * n)
    guard m > 0, n > 0, k > 0 else { return [Float](repeating: 0, count: m * n) }
    var a = a, b = b
    return [Float](unsafeUninitializedCapacity: m * n) { c, count in
      a.withUnsafeMutableBufferPointer { a in
        b.withUnsafeMutableBufferPointer { b in
          guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress else { return }
          multiply(
            m, n, k, alpha: alpha, MatrixView(a, stride: transposesA ? m : k, isTransposed: transposesA),
            MatrixView(b, stride: transposesB ? k : n, isTransposed: transposesB), MatrixView(c, stride: n))
        }
      }
      count = m * n
    }
  }

  /// diag(v) M: row i of M [rows, columns] times v[i].
  public static func scaledRows(_ matrix: [Float], by v: [Float]) -> [Float] {
    guard !v.isEmpty else { return [] }
    let columns = matrix.count / v.count
    var scaled = matrix
    scaled.withUnsafeMutableBufferPointer { scaled in
      for row in v.indices {
        let factor = v[row]
        for index in (row * columns)..<((row + 1) * columns) { scaled[index] *= factor }
      }
    }
    return scaled
  }

  /// M diag(v): column j of M [rows, columns] times v[j].
  public static func scaledColumns(_ matrix: [Float], by v: [Float]) -> [Float] {
    guard !v.isEmpty else { return [] }
    let columns = v.count
    var scaled = matrix
    scaled.withUnsafeMutableBufferPointer { scaled in
      v.withUnsafeBufferPointer { v in
        for row in 0..<(scaled.count / columns) {
          for column in 0..<columns { scaled[row * columns + column] *= v[column] }
        }
      }
    }
    return scaled
  }

  /// Σ_j M[i, j] N[i, j] for every row i: the diagonal of M Nᵀ, summed in double precision.
  public static func rowDots(_ m: [Float], _ n: [Float], rows: Int) -> [Float] {
    precondition(m.count == n.count)
    guard rows > 0 else { return [] }
    let columns = m.count / rows
    return m.withUnsafeBufferPointer { m in
      n.withUnsafeBufferPointer { n in
        guard let m = m.baseAddress, let n = n.baseAddress else { return [Float](repeating: 0, count: rows) }
        return (0..<rows).map { Float(ck_sum_of_products(m + $0 * columns, n + $0 * columns, columns)) }
      }
    }
  }

  /// x_i y_i.
  public static func products(_ x: [Float], _ y: [Float]) -> [Float] {
    precondition(x.count == y.count)
    return x.indices.map { x[$0] * y[$0] }
  }

  /// x_i / y_i; 0 where y_i is 0.
  public static func quotients(_ x: [Float], _ y: [Float]) -> [Float] {
    precondition(x.count == y.count)
    return x.indices.map { y[$0] == 0 ? 0 : x[$0] / y[$0] }
  }

  /// The columns from `first` on, `count` of them, of M, which has `columns` of them.
  public static func columns(_ matrix: [Float], of columns: Int, from first: Int, count: Int) -> [Float] {
    if first == 0, count == columns { return matrix }
    guard columns > 0 else { return [] }
    var part: [Float] = []
    part.reserveCapacity(matrix.count / columns * count)
    for row in stride(from: 0, to: matrix.count, by: columns) {
      part += matrix[(row + first)..<(row + first + count)]
    }
    return part
  }

  /// Matrices with the same number of rows side by side: [M₁ M₂ …].
  public static func sideBySide(_ matrices: [[Float]], rows: Int) -> [Float] {
    if matrices.count == 1 { return matrices[0] }
    var joined: [Float] = []
    joined.reserveCapacity(matrices.reduce(0) { $0 + $1.count })
    for row in 0..<rows {
      for matrix in matrices {
        let columns = matrix.count / rows
        joined += matrix[(row * columns)..<((row + 1) * columns)]
      }
    }
    return joined
  }

  /// Mᵀ of M [rows, columns].
  public static func transposed(_ matrix: [Float], rows: Int) -> [Float] {
    guard rows > 0 else { return [] }
    let columns = matrix.count / rows
    var result = [Float](repeating: 0, count: matrix.count)
    result.withUnsafeMutableBufferPointer { result in
      matrix.withUnsafeBufferPointer { matrix in
        for row in 0..<rows {
          for column in 0..<columns { result[column * rows + row] = matrix[row * columns + column] }
        }
      }
    }
    return result
  }
}

extension Dense {
  /// Rows of M [any, columns], in the order of their numbers `indices`, one below the other.
  public static func rows(_ indices: [Float], of matrix: [Float], columns: Int) -> [Float] {
    var gathered: [Float] = []
    gathered.reserveCapacity(indices.count * columns)
    for index in indices {
      let start = Int(index) * columns
      gathered += matrix[start..<(start + columns)]
    }
    return gathered
  }

  /// A matrix of `count` rows of `columns` numbers, zero but for the sums of the rows of M that `indices` sends to each.
  public static func sumsOfRows(_ indices: [Float], of matrix: [Float], columns: Int, count: Int) -> [Float] {
    var sums = [Float](repeating: 0, count: count * columns)
    sums.withUnsafeMutableBufferPointer { sums in
      matrix.withUnsafeBufferPointer { matrix in
        for (row, index) in indices.enumerated() {
          let start = Int(index) * columns
          for column in 0..<columns { sums[start + column] += matrix[row * columns + column] }
        }
      }
    }
    return sums
  }

  /// a + b, number by number.
  public static func sums(_ a: [Float], _ b: [Float]) -> [Float] {
    precondition(a.count == b.count)
    var sums = a
    sums.withUnsafeMutableBufferPointer { sums in
      b.withUnsafeBufferPointer { b in for index in sums.indices { sums[index] += b[index] } }
    }
    return sums
  }
}
