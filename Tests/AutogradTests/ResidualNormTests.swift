import Autograd
import Kernels
import Testing

@Suite struct ResidualNormTests {
  static let layout = PackedLayout([3, 1, 5])
  static let source = DropoutSource(philox: Philox(seed: 4), step: 7)

  /// 21 columns leave a rest beside the lanes, 5 are fewer than there are.
  @Test(arguments: [5, 16, 21], [true, false]) func norm(columns: Int, isRMS: Bool) {
    for precision in testedPrecisions {
      checkGradients(
        [Leaf(Self.layout, columns: columns, stream: 1)], precision: precision, tolerance: precision.tolerance(),
        operation: { tape, x in [tape.norm(x[0], weights(columns, isRMS))] },
        reference: { x, _ in [normed(x[0], isRMS)] })
    }
  }

  @Test(arguments: [true, false], 0..<4) func sumAndNorm(isRMS: Bool, wanted: Int) {
    let columns = 21
    for (hasBias, dropout) in [(true, 0), (false, 0), (true, 0.3), (false, 0.3)] as [(Bool, Float)] {
      for precision in testedPrecisions {
        checkGradients(
          [
            Leaf(Self.layout, columns: columns, stream: 1, needsGradient: wanted & 1 != 0, precision: precision),
            Leaf(Self.layout, columns: columns, stream: 2, needsGradient: wanted & 2 != 0),
          ], dropout: Self.source, precision: precision,
          tolerance: precision.tolerance(),
          operation: { tape, x in
            let result = tape.addNorm(
              x[0], bias: hasBias ? FrozenTensor(bias(columns), shape: [columns]) : nil, dropout: dropout, site: 6,
              to: x[1], weights(columns, isRMS))
            return [result.sum, result.normed]
          },
          reference: { x, _ in
            var branch = hasBias ? x[0].plus(row: bias(columns).map(Double.init)) : x[0]
            if dropout > 0 {
              branch = branch * Self.source.mask(Self.layout, columns: columns, probability: dropout, site: 6)
            }
            let sum = branch + x[1]
            return [sum, normed(sum, isRMS)]
          })
      }
    }
  }

  /// The last norm's sum is used by nothing; the sum alone is what a block without a norm after it would use.
  @Test(arguments: [true, false]) func onlyOneOfTheResultsIsUsed(usesSum: Bool) {
    let columns = 21
    checkGradients(
      [Leaf(Self.layout, columns: columns, stream: 1), Leaf(Self.layout, columns: columns, stream: 2)],
      operation: { tape, x in
        let result = tape.addNorm(x[0], bias: nil, dropout: 0, site: 6, to: x[1], weights(columns, true))
        return [usesSum ? result.sum : result.normed]
      },
      reference: { x, _ in [usesSum ? x[0] + x[1] : normed(x[0] + x[1], true)] })
  }

  private func gamma(_ columns: Int) -> [Float] { normal(columns, stream: 3) }
  private func beta(_ columns: Int) -> [Float] { normal(columns, stream: 4) }
  private func bias(_ columns: Int) -> [Float] { normal(columns, stream: 5) }

  private func weights(_ columns: Int, _ isRMS: Bool) -> NormWeights {
    let gamma = FrozenTensor(gamma(columns), shape: [columns])
    guard !isRMS else { return NormWeights(gamma: gamma, epsilon: 1e-5) }
    return NormWeights(gamma: gamma, beta: FrozenTensor(beta(columns), shape: [columns]), epsilon: 1e-5)
  }

  private func normed(_ x: Matrix, _ isRMS: Bool) -> Matrix {
    let gamma = gamma(x.columns).map(Double.init), epsilon = Double(Float(1e-5))
    guard isRMS else {
      return layerNorm(x, gamma: gamma, beta: beta(x.columns).map(Double.init), epsilon: epsilon)
    }
    let scales = (0..<x.rows).map { row in
      1 / (x.row(row).reduce(0) { $0 + $1 * $1 } / Double(x.columns) + epsilon).squareRoot()
    }
    return Matrix(rows: x.rows, columns: x.columns) { x[$0, $1] * scales[$0] * gamma[$1] }
  }
}
