import Autograd
import Foundation
import Kernels
import Testing

/// One small post-norm encoder layer with adapters, as the models use it.
struct SmallLayer {
  static let columns = 8, inner = 12, heads = 2
  /// q and v share A; B's are their own.
  static let query = adapter(a: 0, b: 16, site: 1), value = adapter(a: 0, b: 32, site: 2)
  static let parameterCount = 48

  let maps: [FrozenLinear]
  let norms: [NormWeights]

  init() {
    let c = Self.columns
    maps = [(c, c), (c, c), (c, c), (c, c), (Self.inner, c), (c, Self.inner)].enumerated().map { index, size in
      FrozenLinear(
        weight: FrozenTensor(
          normal(size.0 * size.1, stream: 10 + UInt64(index), deviation: 0.4), shape: [size.0, size.1]),
        bias: FrozenTensor(normal(size.0, stream: 20 + UInt64(index)), shape: [size.0]))
    }
    norms = (0..<2).map { index in
      NormWeights(
        gamma: FrozenTensor(normal(c, stream: 30 + index), shape: [c]),
        beta: FrozenTensor(normal(c, stream: 40 + index), shape: [c]), epsilon: 1e-5)
    }
  }

  static func adapter(a: Int, b: Int, site: Int, dropout: Float = 0) -> LowRankAdapter {
    LowRankAdapter(
      a: ParameterReference(offset: a, rows: 2, columns: columns),
      b: ParameterReference(offset: b, rows: columns, columns: 2), scale: 1.5, dropout: dropout, dropoutSite: site)
  }

  func forward(_ tape: Tape, _ x: Tensor, dropout: Float, adapters: Bool = true) -> Tensor {
    let qkv = tape.linear(
      x,
      [
        AdaptedLinear(maps[0], adapter: adapters ? Self.query : nil), AdaptedLinear(maps[1], adapter: nil),
        AdaptedLinear(maps[2], adapter: adapters ? Self.value : nil),
      ])
    let attended = tape.attention(q: qkv[0], k: qkv[1], v: qkv[2], heads: Self.heads, dropout: dropout, site: 3)
    let h = tape.residualLayerNorm(
      tape.linear(attended, AdaptedLinear(maps[3], adapter: nil, addsBias: false)), bias: maps[3].bias,
      dropout: dropout, site: 4, residual: x, norms[0])
    let up = tape.activation(
      tape.linear(h, AdaptedLinear(maps[4], adapter: nil, addsBias: false)), bias: maps[4].bias, .gelu)
    return tape.residualLayerNorm(
      tape.linear(up, AdaptedLinear(maps[5], adapter: nil, addsBias: false)), bias: maps[5].bias, dropout: dropout,
      site: 5, residual: h, norms[1])
  }

  func reference(
    _ x: Matrix, _ parameters: [Double], _ layout: PackedLayout, _ source: DropoutSource, _ dropout: Float
  ) -> Matrix {
    func linear(_ x: Matrix, _ index: Int, _ adapter: LowRankAdapter? = nil) -> Matrix {
      let y = x.timesTransposed(Matrix(maps[index].weight)).plus(row: doubles(maps[index].bias))
      guard let adapter else { return y }
      let a = Matrix(parameters, adapter.a), b = Matrix(parameters, adapter.b)
      return y + Double(adapter.scale) * x.timesTransposed(a).timesTransposed(b)
    }
    func norm(_ x: Matrix, _ residual: Matrix, site: Int, _ index: Int) -> Matrix {
      let mask = source.mask(layout, columns: x.columns, probability: dropout, site: site)
      return layerNorm(
        x * mask + residual, gamma: doubles(norms[index].gamma), beta: doubles(norms[index].beta),
        epsilon: Double(norms[index].epsilon))
    }
    let attended = attention(
      q: linear(x, 0, Self.query), k: linear(x, 1), v: linear(x, 2, Self.value), queries: layout, keys: layout,
      heads: Self.heads
    ) { sequence, head, position in
      source.attentionRow(
        site: 3, example: layout.examples[sequence], head: head, position: position,
        keys: layout.range(sequence).count, probability: dropout)
    }
    let h = norm(linear(attended, 3), x, site: 4, 0)
    return norm(linear(linear(h, 4).map { 0.5 * $0 * erfc(-$0 / 2.0.squareRoot()) }, 5), h, site: 5, 1)
  }
}

private func doubles(_ tensor: FrozenTensor?) -> [Double] { tensor?.floats().map(Double.init) ?? [] }

@Suite struct CompositionTests {
  static let source = DropoutSource(philox: Philox(seed: 31), step: 2)

  /// Two layers, each with its residuals used twice and the adapters shared between them.
  @Test(arguments: [0, 0.2] as [Float], [true, false]) func twoLayers(dropout: Float, needsGradient: Bool) {
    let layer = SmallLayer(), layout = PackedLayout([4, 1, 3])
    for precision in testedPrecisions {
      checkGradients(
        [Leaf(layout, columns: SmallLayer.columns, stream: 1, needsGradient: needsGradient)],
        parameters: normal(SmallLayer.parameterCount, stream: 2, deviation: 0.3), dropout: Self.source,
        precision: precision, tolerance: precision.tolerance(2e-5) * (precision == .bfloat16 ? 2 : 1),
        operation: { tape, x in
          [layer.forward(tape, layer.forward(tape, x[0], dropout: dropout), dropout: dropout)]
        },
        reference: { x, parameters in
          let once = layer.reference(x[0], parameters, layout, Self.source, dropout)
          return [layer.reference(once, parameters, layout, Self.source, dropout)]
        })
    }
  }

  /// x, dropout(x) and the first rows of x all reach the output.
  @Test func aTensorUsedThreeTimes() {
    let layout = PackedLayout([3, 2]), first = layout.oneRowEach()
    let bias = ParameterReference(offset: 0, rows: 4, columns: 1)
    let weight = ParameterReference(offset: 4, rows: 4, columns: 4)
    checkGradients(
      [Leaf(layout, columns: 4, stream: 1)], parameters: normal(20, stream: 2), dropout: Self.source,
      operation: { tape, x in
        [
          tape.selectFirst(x[0]), tape.dropout(x[0], probability: 0.5, site: 1),
          tape.trainableLinear(tape.selectFirst(x[0]), weight: weight, bias: bias), tape.selectFirst(x[0]),
        ]
      },
      reference: { x, parameters in
        let chosen = Matrix((0..<2).flatMap { x[0].row(layout.offsets[$0]) }, columns: 4)
        let y = chosen.timesTransposed(Matrix(parameters, weight)).plus(row: Array(parameters[bias.range]))
        let mask = Self.source.mask(layout, columns: 4, probability: 0.5, site: 1)
        #expect(first.rows == y.rows)
        return [chosen, x[0] * mask, y, chosen]
      })
  }

  /// A gradient step along −g lowers the loss by |g|² times the step: the whole chain from loss to adapters.
  @Test func aStepDownhillLowersTheLoss() {
    let layer = SmallLayer(), layout = PackedLayout([4, 2]), columns = SmallLayer.columns
    let parameters = FloatStorage(zeros: SmallLayer.parameterCount + 3 * columns + 3)
    parameters[0..<parameters.count] = normal(parameters.count, stream: 2, deviation: 0.3)
    let weight = ParameterReference(offset: SmallLayer.parameterCount, rows: 3, columns: columns)
    let bias = ParameterReference(offset: weight.range.upperBound, rows: 3, columns: 1)
    let input = normal(layout.rows * columns, stream: 1)
    func loss(_ gradients: FloatStorage?) -> Double {
      let tape = Tape(workspace: Workspace(), parameters: parameters, gradients: gradients, dropout: Self.source)
      let x = tape.constant(input, layout: layout, columns: columns)
      let y = tape.selectFirst(layer.forward(tape, x, dropout: 0.1))
      let losses = tape.crossEntropy(
        tape.trainableLinear(y, weight: weight, bias: bias), labels: [2, 0], weight: 0.5)
      tape.backward()
      return 0.5 * losses.reduce(0, +)
    }
    let gradients = FloatStorage(zeros: parameters.count)
    let before = loss(gradients)
    #expect(loss(nil) == before)
    let step: Float = 1e-3 / Float(gradients.norm)
    let start = parameters[0..<parameters.count], g = gradients[0..<gradients.count]
    parameters[0..<parameters.count] = zip(start, g).map { $0 - step * $1 }
    let lower = loss(nil)
    parameters[0..<parameters.count] = zip(start, g).map { $0 + step * $1 }
    let higher = loss(nil)
    #expect(abs((higher - lower) / 2e-3 - gradients.norm) < 1e-3 * gradients.norm)
  }
}
