import CKernels
import Kernels
import Testing

/// Products of both precisions against their definition in double precision.
@Suite struct ProductsTests {
  static let precisions: [Precision] = Products.hasBFloat16 ? [.float32, .bfloat16] : [.float32]

  struct Case: CustomTestStringConvertible {
    let m: Int, n: Int, k: Int
    let precision: Precision
    var testDescription: String { "\(m) x \(n) x \(k) \(precision)" }
  }

  static let cases = precisions.flatMap { precision in
    [(1, 1, 1), (16, 7, 3), (5, 1, 9), (32, 65, 129), (112, 9, 64), (48, 768, 8), (8, 768, 48)].map {
      Case(m: $0.0, n: $0.1, k: $0.2, precision: precision)
    }
  }

  @Test(arguments: cases) func productsAreThoseOfTheDefinition(_ test: Case) {
    let (m, n, k) = (test.m, test.n, test.k)
    for (aTransposed, bTransposed, accumulate, hasBias, output) in [
      (false, false, false, false, test.precision), (false, true, true, true, test.precision),
      (true, false, true, false, .float32), (false, true, false, true, .float32),
    ] as [(Bool, Bool, Bool, Bool, Precision)] {
      let a = Matrix(aTransposed ? k : m, aTransposed ? m : k, extra: 3, test.precision, stream: 1)
      let b = Matrix(bTransposed ? n : k, bTransposed ? k : n, extra: 0, test.precision, stream: 2)
      let c = Matrix(m, n, extra: 2, output, stream: 3)
      let bias = Philox(seed: 1).normal(n, deviation: 1, stream: 4), before = c.values
      let products = Workspace().products
      products.multiply(
        m, n, k, aTransposed ? a.operand.transposed : a.operand, bTransposed ? b.operand.transposed : b.operand,
        into: c.operand, accumulate: accumulate, bias: hasBias ? bias : nil)
      let left = a.values, right = b.values, found = c.values
      for i in 0..<m {
        for j in 0..<n {
          var exact = accumulate ? before[i * n + j] : 0
          if hasBias { exact += Double(bias[j]) }
          for l in 0..<k {
            exact +=
              (aTransposed ? left[l * m + i] : left[i * k + l]) * (bTransposed ? right[j * k + l] : right[l * n + j])
          }
          // float32 sums; the result of a bfloat16 product may be rounded to 8 bits, and with it a sum that was there.
          let tolerance = output == .bfloat16 ? 0.009 * max(1, abs(exact)) : 2e-6 * Double(k + 8)
          guard abs(found[i * n + j] - exact) <= tolerance else {
            Issue.record("[\(i), \(j)]: \(found[i * n + j]), not \(exact)")
            return
          }
        }
      }
      #expect(c.surplusIsUntouched)
    }
  }

  @Test(arguments: precisions) func headsAreProductsOfTheirOwn(precision: Precision) {
    let heads = 3, m = 16, n = 32, k = 8
    let q = Matrix(m, heads * k, extra: 0, precision, stream: 1),
      key = Matrix(n, heads * k, extra: 0, precision, stream: 2)
    let scores = Matrix(heads * m, n, extra: 0, .float32, stream: 3)
    let products = Workspace().products
    func columns(_ matrix: Matrix) -> Operand {
      Operand(matrix.base, matrix.precision, stride: heads * k, headStride: k)
    }
    func stacked(_ matrix: Matrix) -> Operand {
      Operand(matrix.base, matrix.precision, stride: n, headStride: m * n)
    }
    products.multiply(heads: heads, m, n, k) { _ in (columns(q), columns(key).transposed, stacked(scores)) }
    let a = q.values, b = key.values, s = scores.values
    for h in 0..<heads {
      for i in 0..<m {
        for j in 0..<n {
          let exact = (0..<k).reduce(0.0) { $0 + a[i * heads * k + h * k + $1] * b[j * heads * k + h * k + $1] }
          #expect(abs(s[(h * m + i) * n + j] - exact) < 1e-4)
        }
      }
    }
    // The transposed stack times columns, added to columns: dK += dSᵀ Q.
    let p = Matrix(heads * m, n, extra: 0, precision, stream: 4),
      d = Matrix(n, heads * k, extra: 0, .float32, stream: 5)
    let before = d.values, probabilities = p.values
    products.multiply(heads: heads, n, k, m, accumulate: true) { _ in
      (stacked(p).transposed, columns(q), columns(d))
    }
    let found = d.values
    for h in 0..<heads {
      for i in 0..<n {
        for j in 0..<k {
          let exact = (0..<m).reduce(before[i * heads * k + h * k + j]) {
            $0 + probabilities[(h * m + $1) * n + i] * a[$1 * heads * k + h * k + j]
          }
          #expect(abs(found[i * heads * k + h * k + j] - exact) < 1e-4)
        }
      }
    }
  }

  /// Shapes beyond the cache's capacity are compiled again, not refused.
  @Test func rowsAreIndependentOfTheirNumber() {
    let products = Workspace().products
    let a = Matrix(64, 40, extra: 0, .float32, stream: 1), b = Matrix(24, 40, extra: 0, .float32, stream: 2)
    let all = Matrix(64, 24, extra: 0, .float32, stream: 3), some = Matrix(64, 24, extra: 0, .float32, stream: 3)
    products.multiply(64, 24, 40, a.operand, b.operand.transposed, into: all.operand)
    products.multiply(16, 24, 40, a.operand, b.operand.transposed, into: some.operand)
    for i in 0..<(16 * 24) { #expect(abs(all.values[i] - some.values[i]) < 1e-5) }
  }

  /// Shapes that a team cuts by columns, and by rows where there are few columns.
  @Test(arguments: precisions, [(256, 528, 40), (528, 136, 64)])
  func teamsOfAnySizeMakeTheSameProduct(precision: Precision, shape: (m: Int, n: Int, k: Int)) {
    let (m, n, k) = shape
    let a = Matrix(m, k, extra: 8, precision, stream: 1), b = Matrix(n, k, extra: 0, precision, stream: 2)
    let bias = Philox(seed: 1).normal(n, deviation: 1, stream: 4)
    func product(threads: Int?) -> [Double] {
      let workspace = Workspace(), c = Matrix(m, n, extra: 2, .float32, stream: 3)
      workspace.team = threads.map { Team(threads: $0) }
      for accumulate in [false, true] {
        workspace.products.multiply(
          m, n, k, a.operand, b.operand.transposed, into: c.operand, accumulate: accumulate, bias: bias)
      }
      #expect(c.surplusIsUntouched && workspace.products.operations == Double(4 * m * n * k))
      return c.values
    }
    let alone = product(threads: nil), one = product(threads: 1)
    #expect(zip(alone, one).allSatisfy { abs($0 - $1) < 1e-3 })
    #expect(one == product(threads: 2) && one == product(threads: 3))
  }

  @Test(arguments: precisions) func teamsShareOutHeads(precision: Precision) {
    let groups = 2, heads = 3, m = 128, n = 96, k = 64, width = groups * heads * k
    let q = Matrix(m, width, extra: 0, precision, stream: 1), key = Matrix(n, heads * k, extra: 0, precision, stream: 2)
    func scores(threads: Int?) -> [Double] {
      let workspace = Workspace(), scores = Matrix(groups * heads * m, n, extra: 0, .float32, stream: 3)
      workspace.team = threads.map { Team(threads: $0) }
      workspace.products.multiply(groups: groups, heads: heads, m, n, k) { group in
        (
          Operand(q.operand.advanced(columns: group * k).base, precision, stride: width, headStride: groups * k),
          Operand(key.base, precision, stride: heads * k, headStride: k).transposed,
          Operand(scores.operand.advanced(rows: group * m).base, .float32, stride: n, headStride: groups * m * n)
        )
      }
      return scores.values
    }
    let alone = scores(threads: nil), one = scores(threads: 1)
    #expect(zip(alone, one).allSatisfy { abs($0 - $1) < 1e-3 })
    #expect(one == scores(threads: 3))
  }

  @Test func rowsArePaddedToTheMultiple() {
    #expect([1, 2, 16, 17, 32].map(Products.padded) == [1, 16, 16, 32, 32])
  }
}

/// A matrix whose rows lie `extra` numbers further apart than they are long; those hold 7.
private final class Matrix {
  let base: UnsafeMutableRawPointer
  let rows: Int, columns: Int, extra: Int
  let precision: Precision

  init(_ rows: Int, _ columns: Int, extra: Int, _ precision: Precision, stream: UInt64) {
    (self.rows, self.columns, self.extra, self.precision) = (rows, columns, extra, precision)
    let stride = columns + extra
    base = .allocate(byteCount: max(64, rows * stride * precision.byteCount), alignment: 64)
    let numbers = Philox(seed: 9).normal(rows * columns, deviation: 1, stream: stream)
    for row in 0..<rows {
      for column in 0..<stride { set(row * stride + column, column < columns ? numbers[row * columns + column] : 7) }
    }
  }

  deinit { base.deallocate() }

  var operand: Operand { Operand(base, precision, stride: columns + extra) }
  var values: [Double] {
    (0..<rows).flatMap { row in (0..<columns).map { Double(get(row * (columns + extra) + $0)) } }
  }
  var surplusIsUntouched: Bool {
    (0..<rows).allSatisfy { row in
      (columns..<(columns + extra)).allSatisfy { get(row * (columns + extra) + $0) == 7 }
    }
  }

  private func set(_ index: Int, _ value: Float) {
    switch precision {
    case .float32: base.storeBytes(of: value, toByteOffset: 4 * index, as: Float.self)
    case .bfloat16: base.storeBytes(of: bfloat16(value), toByteOffset: 2 * index, as: UInt16.self)
    }
  }

  private func get(_ index: Int) -> Float {
    switch precision {
    case .float32: base.load(fromByteOffset: 4 * index, as: Float.self)
    case .bfloat16: widened(base.load(fromByteOffset: 2 * index, as: UInt16.self))
    }
  }
}
