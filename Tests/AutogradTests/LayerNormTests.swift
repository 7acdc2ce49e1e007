import Autograd
import Kernels
import Testing

@Suite struct LayerNormTests {
  static let layout = PackedLayout([3, 1, 5])
  static let source = DropoutSource(philox: Philox(seed: 4), step: 7)
  static let columns = 21

  /// Which of the two inputs want a gradient.
  enum Wanted: CaseIterable, Sendable { case both, input, residual, none }

  @Test(arguments: Wanted.allCases, [0, 0.3] as [Float]) func withResidual(wanted: Wanted, dropout: Float) {
    for hasBias in [true, false] {
      check(
        [
          Leaf(Self.layout, columns: Self.columns, stream: 1, needsGradient: wanted == .both || wanted == .input),
          Leaf(Self.layout, columns: Self.columns, stream: 2, needsGradient: wanted == .both || wanted == .residual),
        ], dropout: dropout, hasBias: hasBias)
    }
  }

  @Test(arguments: [0, 0.3] as [Float], [true, false]) func withoutResidual(dropout: Float, hasBias: Bool) {
    check([Leaf(Self.layout, columns: Self.columns, stream: 1)], dropout: dropout, hasBias: hasBias)
  }

  private func check(_ leaves: [Leaf], dropout: Float, hasBias: Bool) {
    let gamma = normal(Self.columns, stream: 3), beta = normal(Self.columns, stream: 4)
    let bias = normal(Self.columns, stream: 5), count = Self.columns
    let weights = NormWeights(
      gamma: FrozenTensor(gamma, shape: [count]), beta: FrozenTensor(beta, shape: [count]), epsilon: 1e-5)
    for precision in testedPrecisions {
      var leaves = leaves
      leaves[0].precision = precision
      checkGradients(
        leaves, dropout: Self.source, precision: precision, tolerance: precision.tolerance(),
        operation: { tape, x in
          [
            tape.residualLayerNorm(
              x[0], bias: hasBias ? FrozenTensor(bias, shape: [count]) : nil, dropout: dropout, site: 6,
              residual: x.count > 1 ? x[1] : nil, weights)
          ]
        },
        reference: { x, _ in
          var sum = hasBias ? x[0].plus(row: bias.map(Double.init)) : x[0]
          if dropout > 0 { sum = sum * Self.source.mask(Self.layout, columns: count, probability: dropout, site: 6) }
          if x.count > 1 { sum = sum + x[1] }
          return [
            layerNorm(
              sum, gamma: gamma.map(Double.init), beta: beta.map(Double.init), epsilon: Double(Float(1e-5)))
          ]
        })
    }
  }
}
