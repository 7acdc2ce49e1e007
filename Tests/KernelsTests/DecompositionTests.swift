import Testing

@testable import Kernels

@Suite struct DecompositionTests {
  private static let shapes = [(7, 7), (12, 5), (5, 12), (1, 6), (6, 1), (1, 1)]

  private func random(_ rows: Int, _ columns: Int, seed: UInt64 = 1) -> [Float] {
    Philox(seed: seed).normal(rows * columns, deviation: 1, stream: 3)
  }

  private func largest(_ one: [Float], _ other: [Float]) -> Float {
    zip(one, other).reduce(0) { max($0, abs($1.0 - $1.1)) }
  }

  /// The identity.
  private func ones(_ n: Int) -> [Float] { (0..<(n * n)).map { $0 / n == $0 % n ? 1 : 0 } }

  /// U diag(s) Vᵀ.
  private func joined(_ factors: SingularFactors, _ rows: Int, _ columns: Int) -> [Float] {
    Dense.product(rows, columns, factors.count, Dense.scaledColumns(factors.left, by: factors.values), factors.right)
  }

  @Test(arguments: shapes) func singularFactorsGiveTheMatrixBack(rows: Int, columns: Int) throws {
    let matrix = random(rows, columns)
    let factors = try Decompositions.singular(matrix, rows: rows, columns: columns), k = min(rows, columns)
    #expect(factors.count == k && factors.left.count == rows * k && factors.right.count == k * columns)
    #expect(largest(joined(factors, rows, columns), matrix) < 1e-5)
    let left = Dense.product(k, k, rows, factors.left, factors.left, transposesA: true)
    let right = Dense.product(k, k, columns, factors.right, factors.right, transposesB: true)
    #expect(largest(left, ones(k)) < 1e-6 && largest(right, ones(k)) < 1e-6)
    #expect(factors.values == factors.values.sorted(by: >))
    for column in 0..<k {
      let entries = Dense.columns(factors.left, of: k, from: column, count: 1)
      #expect(entries.max { abs($0) < abs($1) }.map { $0 > 0 } == true)
    }
  }

  @Test func keepsTheLargestAndFindsTheSmallest() throws {
    let matrix = random(9, 6)
    let all = try Decompositions.singular(matrix, rows: 9, columns: 6)
    let two = try Decompositions.singular(matrix, rows: 9, columns: 6, count: 2)
    #expect(two.values == Array(all.values[0..<2]))
    #expect(two.left == Dense.columns(all.left, of: 6, from: 0, count: 2))
    #expect(two.right == Array(all.right[0..<12]))
    let last = all.lastLeft(2), images = Dense.product(2, 6, 9, last, matrix, transposesA: true)
    let lengths = Dense.rowDots(images, images, rows: 2).map { $0.squareRoot() }
    #expect(largest(lengths, Array(all.values[4..<6])) < 1e-5)
  }

  /// A diagonal matrix, whose factors are known.
  @Test func findsKnownFactors() throws {
    let factors = try Decompositions.singular([0, -3, 2, 0], rows: 2, columns: 2)
    #expect(factors.values == [3, 2])
    #expect(factors.left == [1, 0, 0, 1])
    #expect(factors.right == [0, -1, 1, 0])
  }

  @Test(arguments: shapes) func orthogonalFactorsGiveTheMatrixBack(rows: Int, columns: Int) throws {
    let matrix = random(rows, columns, seed: 2), k = min(rows, columns)
    let (q, r) = try Decompositions.orthogonal(matrix, rows: rows, columns: columns)
    #expect(largest(Dense.product(rows, columns, k, q, r), matrix) < 1e-5)
    #expect(largest(Dense.product(k, k, rows, q, q, transposesA: true), ones(k)) < 1e-6)
    for row in 0..<k {
      #expect(r[row * columns + row] >= 0)
      #expect(r[(row * columns)..<(row * columns + row)].allSatisfy { $0 == 0 })
    }
  }

  @Test func approximatesTheLargestSingularValues() throws {
    // Singular values 1, 1/2, 1/4, …: the rest is small.
    let rows = 40, columns = 30
    let u = try Decompositions.orthogonal(random(rows, 30), rows: rows, columns: 30).q
    let v = try Decompositions.orthogonal(random(columns, 30, seed: 5), rows: columns, columns: 30).q
    let s = (0..<30).map { Float(1) / Float(1 << $0) }
    let matrix = Dense.product(rows, columns, 30, Dense.scaledColumns(u, by: s), v, transposesB: true)
    let exact = try Decompositions.singular(matrix, rows: rows, columns: columns, count: 4)
    func approximate(iterations: Int, excess: Int = 10, seed: UInt64 = 7) throws -> SingularFactors {
      try Decompositions.approximateSingular(
        matrix, rows: rows, columns: columns, count: 4, excess: excess, iterations: iterations,
        philox: Philox(seed: seed), stream: 1)
    }
    let close = try approximate(iterations: 4)
    #expect(close.count == 4 && close.left.count == rows * 4 && close.right.count == 4 * columns)
    #expect(largest(close.values, exact.values) < 1e-6)
    #expect(largest(close.left, exact.left) < 1e-5 && largest(close.right, exact.right) < 1e-5)
    #expect(try approximate(iterations: 4) == close)
    // Fewer looks are less exact, and other directions give other errors.
    let far = try approximate(iterations: 0, excess: 0)
    #expect(largest(far.values, exact.values) > 1e-4)
    #expect(try approximate(iterations: 0, excess: 0, seed: 8) != far)
  }

  @Test func takesMatricesWithoutFullRank() throws {
    // Rank 1 and rank 0.
    let one = Dense.product(6, 4, 1, random(6, 1), random(1, 4))
    for (matrix, rank) in [(one, 1), ([Float](repeating: 0, count: 24), 0)] {
      let factors = try Decompositions.singular(matrix, rows: 6, columns: 4)
      #expect(factors.values.filter { $0 > 1e-5 }.count == rank)
      #expect(largest(joined(factors, 6, 4), matrix) < 1e-5)
      #expect(largest(Dense.product(4, 4, 6, factors.left, factors.left, transposesA: true), ones(4)) < 1e-6)
      let (q, r) = try Decompositions.orthogonal(matrix, rows: 6, columns: 4)
      #expect(largest(Dense.product(6, 4, 4, q, r), matrix) < 1e-5)
      #expect(largest(Dense.product(4, 4, 6, q, q, transposesA: true), ones(4)) < 1e-6)
      let near = try Decompositions.approximateSingular(
        matrix, rows: 6, columns: 4, count: 2, excess: 1, iterations: 2, philox: Philox(seed: 1), stream: 1)
      #expect(largest(joined(near, 6, 4), matrix) < 1e-5)
    }
    #expect(try Decompositions.singular([], rows: 0, columns: 4).count == 0)
    #expect(try Decompositions.orthogonal([], rows: 0, columns: 4).q.isEmpty)
  }

  @Test(arguments: [Float.nan, .infinity]) func refusesNumbersThatAreNotFinite(bad: Float) {
    var matrix = random(4, 4)
    matrix[5] = bad
    #expect(throws: DecompositionError.notFinite) { try Decompositions.singular(matrix, rows: 4, columns: 4) }
    #expect(throws: DecompositionError.notFinite) { try Decompositions.orthogonal(matrix, rows: 4, columns: 4) }
    #expect(throws: DecompositionError.notFinite) {
      try Decompositions.approximateSingular(
        matrix, rows: 4, columns: 4, count: 1, excess: 1, iterations: 1, philox: Philox(seed: 1), stream: 1)
    }
  }
}
