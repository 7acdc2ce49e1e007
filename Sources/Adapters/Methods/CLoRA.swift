import Kernels
import Synchronization

/// CLoRA's options.
public struct CLoRAOptions: Sendable, Equatable {
  /// λ.
  public var lambda = 1.0
  /// k: columns of P_A and P_B.
  public var k = 128
  /// The seed of P_A and P_B.
  public var seed = 0

  /// Every default.
  public init() {}
}

extension AdapterMethod {
  /// CLoRA (Lu et al., arXiv 2410.16801): the loss gets λ (‖A P_A‖² + ‖Bᵀ P_B‖²) for every trained A and B, and for those that
  /// hold a part of one's rows or columns, with fixed random P_A [in, k] and P_B [out, k] of entries N(0, 1/d) for d rows,
  /// so that a column's length is about 1. The update then leaves inputs in the span of P_A nearly alone.
  ///
  /// Evaluations report the loss without it.
  public func withCLoRA(_ options: CLoRAOptions) -> AdapterMethod {
    var method = self
    let projections = Projections(options)
    let clora = Regulariser { tensor, values, _ in
      guard tensor.trains, let factor = tensor.key.role.factor else { return nil }
      let rows = tensor.shape[0], columns = tensor.shape[1], k = options.k
      let isA = factor == .a, projection = projections.matrix(rows: isA ? columns : rows)
      // A P [r, k], or Bᵀ P [r, k].
      let rank = isA ? rows : columns, length = isA ? columns : rows
      let projected = Dense.product(rank, k, length, values, projection, transposesA: !isA)
      let loss = options.lambda * projected.reduce(0) { $0 + Double($1) * Double($1) }
      let slope = Float(2 * options.lambda)
      let gradient =
        isA
        ? Dense.product(rank, length, k, projected, projection, transposesB: true, alpha: slope)
        : Dense.product(length, rank, k, projection, projected, transposesB: true, alpha: slope)
      return (loss, gradient)
    }
    method.design.regulariser = design.regulariser.map { $0.plus(clora) } ?? clora
    return method
  }
}

/// The random matrices, one for each length, drawn when they are first needed.
private final class Projections: Sendable {
  private let options: CLoRAOptions
  private let drawn = Mutex<[Int: [Float]]>([:])

  init(_ options: CLoRAOptions) { self.options = options }

  func matrix(rows: Int) -> [Float] {
    drawn.withLock { drawn in
      if let matrix = drawn[rows] { return matrix }
      let matrix = Philox(seed: UInt64(truncatingIfNeeded: options.seed)).normal(
        rows * options.k, deviation: 1 / Double(rows).squareRoot(), stream: Philox.stream(named: "clora \(rows)"))
      drawn[rows] = matrix
      return matrix
    }
  }
}
