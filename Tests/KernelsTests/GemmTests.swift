import Kernels
import Testing

@Suite struct GemmTests {
  @Test(arguments: [(1, 1, 1), (1, 7, 3), (5, 1, 9), (13, 17, 11), (33, 65, 129), (130, 9, 64), (3, 768, 8)])
  func productsAreThoseOfTheDefinition(m: Int, n: Int, k: Int) {
    let philox = Philox(seed: 1)
    for (aTransposed, bTransposed) in [(false, false), (false, true), (true, false), (true, true)] {
      for (alpha, beta) in [(1, 0), (0.5, 1), (-2, 0.25)] as [(Float, Float)] {
        // Rows lie three, five and two numbers further apart than they are long.
        let (aRows, aColumns) = aTransposed ? (k, m) : (m, k)
        let (bRows, bColumns) = bTransposed ? (n, k) : (k, n)
        var a = philox.normal(aRows * (aColumns + 3), deviation: 1, stream: 1)
        var b = philox.normal(bRows * (bColumns + 5), deviation: 1, stream: 2)
        // What beta = 0 overwrites may be anything.
        let start: [Float] =
          beta == 0
          ? [Float](repeating: .nan, count: m * (n + 2)) : philox.normal(m * (n + 2), deviation: 1, stream: 3)
        var c = start
        a.withUnsafeMutableBufferPointer { a in
          b.withUnsafeMutableBufferPointer { b in
            c.withUnsafeMutableBufferPointer { c in
              guard let a = a.baseAddress, let b = b.baseAddress, let c = c.baseAddress else { return }
              multiply(
                m, n, k, alpha: alpha, MatrixView(a, stride: aColumns + 3, isTransposed: aTransposed),
                bTransposed ? MatrixView(b, stride: bColumns + 5).transposed : MatrixView(b, stride: bColumns + 5),
                beta: beta, MatrixView(c, stride: n + 2))
            }
          }
        }
        for row in 0..<m {
          for column in 0..<n {
            var sum = 0.0, size = 0.0
            for i in 0..<k {
              let left = aTransposed ? a[i * (aColumns + 3) + row] : a[row * (aColumns + 3) + i]
              let right = bTransposed ? b[column * (bColumns + 5) + i] : b[i * (bColumns + 5) + column]
              sum += Double(left) * Double(right)
              size += abs(Double(left) * Double(right))
            }
            let old = beta == 0 ? 0 : Double(beta) * Double(start[row * (n + 2) + column])
            let exact = Double(alpha) * sum + old
            #expect(
              abs(Double(c[row * (n + 2) + column]) - exact) <= 5e-7 * (abs(Double(alpha)) * size + abs(old)))
          }
          // The gap between two rows is nobody's.
          for gap in row * (n + 2) + n..<(row + 1) * (n + 2) {
            #expect(c[gap].bitPattern == start[gap].bitPattern)
          }
        }
      }
    }
  }
}
