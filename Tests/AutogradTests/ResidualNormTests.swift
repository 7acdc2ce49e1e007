import Autograd
import Kernels
import Testing

@Suite struct ResidualNormTests {
  static let layout = PackedLayout([3, 1, 5])
  static let source = DropoutSource(philox: Philox(seed: 4), step: 7)

  /// The norms that there are.
  enum Form: CaseIterable, Sendable { case rms, layer, layerWithoutBias }

  /// 21 columns leave a rest beside the lanes, 5 are fewer than there are. What is normalised may be in either precision.
  @Test(arguments: [5, 16, 21], Form.allCases) func norm(columns: Int, form: Form) {
    for precision in testedPrecisions {
      for input in precision == .bfloat16 ? [Precision.float32, .bfloat16] : [.float32] {
        checkGradients(
          [Leaf(Self.layout, columns: columns, stream: 1, precision: input)], precision: precision,
          tolerance: precision.tolerance(),
          operation: { tape, x in
            let y = tape.norm(x[0], weights(columns, form))
            #expect(y.precision == precision)
            return [y]
          },
          reference: { x, _ in [normed(x[0], form)] })
      }
    }
  }

  /// Queries and keys of three heads, and one norm over all of them.
  @Test(arguments: [5, 16, 21], Form.allCases) func normOfHeads(size: Int, form: Form) {
    for precision in testedPrecisions {
      for heads in [3, 1] {
        checkGradients(
          [Leaf(Self.layout, columns: heads * size, stream: 1, precision: precision)], precision: precision,
          tolerance: precision.tolerance(),
          operation: { tape, x in
            let y = tape.headNorm(x[0], weights(size, form))
            #expect(y.precision == precision)
            return [y]
          },
          reference: { x, _ in
            [Matrix(normed(Matrix(x[0].values, columns: size), form).values, columns: heads * size)]
          })
      }
    }
  }

  @Test(arguments: Form.allCases, 0..<4) func sumAndNorm(form: Form, wanted: Int) {
    let columns = 21
    for (hasBias, dropout, scale) in [
      (true, 0, 1), (false, 0, 0.22), (true, 0, 0.22), (true, 0.3, 1), (false, 0.3, 0.22),
    ] as [(Bool, Float, Float)] {
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
              scale: scale, to: x[1], weights(columns, form))
            return [result.sum, result.normed]
          },
          reference: { x, _ in
            let sum = sum(x, hasBias: hasBias, dropout: dropout, scale: scale)
            return [sum, normed(sum, form)]
          })
      }
    }
  }

  /// A sum without a norm. A product reads it in the tape's precision.
  @Test(arguments: 0..<4, [1, 0.22] as [Float]) func sum(wanted: Int, scale: Float) {
    let columns = 21, weight = FrozenTensor(normal(columns * 4, stream: 8), shape: [4, columns])
    for (hasBias, dropout) in [(true, 0), (false, 0), (true, 0.3), (false, 0.3)] as [(Bool, Float)] {
      for precision in testedPrecisions {
        checkGradients(
          [
            Leaf(Self.layout, columns: columns, stream: 1, needsGradient: wanted & 1 != 0, precision: precision),
            Leaf(Self.layout, columns: columns, stream: 2, needsGradient: wanted & 2 != 0),
          ], dropout: Self.source, precision: precision, tolerance: precision.tolerance(),
          operation: { tape, x in
            let sum = tape.add(
              x[0], bias: hasBias ? FrozenTensor(bias(columns), shape: [columns]) : nil, dropout: dropout, site: 6,
              scale: scale, to: x[1])
            #expect(sum.precision == .float32)
            return [sum, tape.linear(sum, AdaptedLinear(FrozenLinear(weight: weight, bias: nil), adapter: nil))]
          },
          reference: { x, _ in
            let sum = sum(x, hasBias: hasBias, dropout: dropout, scale: scale)
            return [sum, sum.timesTransposed(Matrix(weight))]
          })
      }
    }
  }

  private func sum(_ x: [Matrix], hasBias: Bool, dropout: Float, scale: Float) -> Matrix {
    var branch = hasBias ? x[0].plus(row: bias(x[0].columns).map(Double.init)) : x[0]
    if dropout > 0 {
      branch = branch * Self.source.mask(Self.layout, columns: branch.columns, probability: dropout, site: 6)
    }
    return Double(scale) * branch + x[1]
  }

  /// The last norm's sum is used by nothing; the sum alone is what a block without a norm after it would use.
  @Test(arguments: [true, false]) func onlyOneOfTheResultsIsUsed(usesSum: Bool) {
    let columns = 21
    checkGradients(
      [Leaf(Self.layout, columns: columns, stream: 1), Leaf(Self.layout, columns: columns, stream: 2)],
      operation: { tape, x in
        let result = tape.addNorm(x[0], bias: nil, dropout: 0, site: 6, to: x[1], weights(columns, .rms))
        return [usesSum ? result.sum : result.normed]
      },
      reference: { x, _ in [usesSum ? x[0] + x[1] : normed(x[0] + x[1], .rms)] })
  }

  private func gamma(_ columns: Int) -> [Float] { normal(columns, stream: 3) }
  private func beta(_ columns: Int) -> [Float] { normal(columns, stream: 4) }
  private func bias(_ columns: Int) -> [Float] { normal(columns, stream: 5) }

  private func weights(_ columns: Int, _ form: Form) -> NormWeights {
    let gamma = FrozenTensor(gamma(columns), shape: [columns])
    switch form {
    case .rms: return NormWeights(gamma: gamma, epsilon: 1e-5)
    case .layer:
      return NormWeights(gamma: gamma, beta: FrozenTensor(beta(columns), shape: [columns]), epsilon: 1e-5)
    case .layerWithoutBias: return NormWeights(gamma: gamma, epsilon: 1e-5, kind: .layer)
    }
  }

  private func normed(_ x: Matrix, _ form: Form) -> Matrix {
    let gamma = gamma(x.columns).map(Double.init), epsilon = Double(Float(1e-5))
    switch form {
    case .layer: return layerNorm(x, gamma: gamma, beta: beta(x.columns).map(Double.init), epsilon: epsilon)
    case .layerWithoutBias:
      return layerNorm(x, gamma: gamma, beta: [Double](repeating: 0, count: x.columns), epsilon: epsilon)
    case .rms:
      let scales = (0..<x.rows).map { row in
        1 / (x.row(row).reduce(0) { $0 + $1 * $1 } / Double(x.columns) + epsilon).squareRoot()
      }
      return Matrix(rows: x.rows, columns: x.columns) { x[$0, $1] * scales[$0] * gamma[$1] }
    }
  }
}
