/// How dissimilar the mean B's of two groups are, summed in double precision.
struct GroupDistance {
  private let metric: ASLoRAPlan.Metric
  private let rank: Int
  /// A Aᵀ, [r, r]; empty unless the metric is `effective`.
  private let gram: [Double]

  /// A measure. `a` gives A, [r, in]; it is asked by the `effective` metric only.
  init(metric: ASLoRAPlan.Metric, rank: Int, a: () -> [Float]) {
    self.metric = metric
    self.rank = rank
    gram = metric == .effective ? Self.gram(of: a(), rank: rank) : []
  }

  /// The distance of two matrices, [out, r].
  func distance(_ first: [Float], _ second: [Float]) -> Double {
    switch metric {
    case .l2: frobenius(first, second)
    case .effective: effective(first, second)
    case .cosine: cosine(first, second)
    }
  }

  private func frobenius(_ first: [Float], _ second: [Float]) -> Double {
    var sum = 0.0
    for i in first.indices {
      let difference = Double(first[i]) - Double(second[i])
      sum += difference * difference
    }
    return sum.squareRoot()
  }

  private func cosine(_ first: [Float], _ second: [Float]) -> Double {
    var product = 0.0, squares = (0.0, 0.0)
    for i in first.indices {
      product += Double(first[i]) * Double(second[i])
      squares.0 += Double(first[i]) * Double(first[i])
      squares.1 += Double(second[i]) * Double(second[i])
    }
    if squares.0 == 0 || squares.1 == 0 { return squares.0 == squares.1 ? 0 : 1 }
    return max(0, 1 - product / (squares.0.squareRoot() * squares.1.squareRoot()))
  }

  /// ‖D A‖_F² = Σ over the rows d of D of d (A Aᵀ) dᵀ, so that the [out, in] product is never formed.
  private func effective(_ first: [Float], _ second: [Float]) -> Double {
    var sum = 0.0
    for row in stride(from: 0, to: first.count, by: rank) {
      let difference = (row..<(row + rank)).map { Double(first[$0]) - Double(second[$0]) }
      for i in 0..<rank {
        for j in 0..<rank { sum += difference[i] * gram[i * rank + j] * difference[j] }
      }
    }
    return max(0, sum).squareRoot()
  }

  private static func gram(of a: [Float], rank: Int) -> [Double] {
    let columns = a.count / rank
    var gram = [Double](repeating: 0, count: rank * rank)
    for i in 0..<rank {
      for j in 0..<rank {
        for column in 0..<columns {
          gram[i * rank + j] += Double(a[i * columns + column]) * Double(a[j * columns + column])
        }
      }
    }
    return gram
  }
}
