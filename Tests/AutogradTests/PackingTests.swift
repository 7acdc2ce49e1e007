import Autograd
import Kernels
import Testing

/// What a sequence gets does not depend on its neighbours in the shard.
@Suite struct PackingTests {
  static let lengths = [5, 1, 140, 12], examples = [4, 0, 9, 7]
  static let source = DropoutSource(philox: Philox(seed: 31), step: 2)

  @Test(arguments: [0, 0.2] as [Float]) func aLayerOfASequenceAlone(dropout: Float) {
    let layer = SmallLayer()
    compare(exact: false) { tape, x in layer.forward(tape, x, dropout: dropout) }
  }

  @Test(arguments: [0, 0.2] as [Float]) func attention(dropout: Float) {
    compare(exact: true) { $0.attention(q: $1, k: $1, v: $1, heads: 2, dropout: dropout, site: 3) }
  }

  @Test(arguments: [0, 0.2] as [Float]) func windowedAttention(dropout: Float) {
    for reach in [AttentionReach.causal(window: 20), .within(9)] {
      compare(exact: true) {
        $0.attention(q: $1, k: $1, v: $1, heads: 2, reach: reach, softCap: 2, dropout: dropout, site: 3)
      }
    }
  }

  /// The tables' gradients, which reach an adapter, are those of all sequences.
  @Test(arguments: [0, 0.2] as [Float]) func disentangledAttention(dropout: Float) {
    let layer = SmallLayer(), columns = SmallLayer.columns
    compare(exact: false) { tape, x in
      let table = tape.constant(
        normal(32 * columns, stream: 8), layout: PackedLayout(lengths: [32], examples: [0]), columns: columns)
      let tables = tape.linear(
        table,
        [
          AdaptedLinear(layer.maps[0], adapter: SmallLayer.query),
          AdaptedLinear(layer.maps[2], adapter: SmallLayer.value),
        ])
      let relative = RelativePositions(keys: tables[0], queries: tables[1]) { min(max($0 + 16, 0), 31) }
      return tape.attention(q: x, k: x, v: x, heads: 2, relative: relative, dropout: dropout, site: 3)
    }
  }

  @Test(arguments: [0, 0.2] as [Float]) func layerNorm(dropout: Float) {
    let norm = SmallLayer().norms[0]
    compare(exact: true) {
      $0.residualLayerNorm($1, bias: nil, dropout: dropout, site: 4, residual: nil, norm)
    }
  }

  @Test(arguments: Activation.allCases) func activation(kind: Activation) {
    compare(exact: true) { $0.activation($1, kind) }
  }

  @Test func dropout() {
    compare(exact: true) { $0.dropout($1, probability: 0.5, site: 3) }
  }

  @Test func linear() {
    let map = SmallLayer().maps[0], adapter = SmallLayer.adapter(a: 0, b: 16, site: 1, dropout: 0.3)
    compare(exact: false) { $0.linear($1, AdaptedLinear(map, adapter: adapter)) }
  }

  /// Runs `operation` on the packed sequences and on each alone, there and back.
  private func compare(
    exact: Bool, sourceLocation: SourceLocation = #_sourceLocation, _ operation: (Tape, Tensor) -> Tensor
  ) {
    let packed = PackedLayout(lengths: Self.lengths, examples: Self.examples), columns = SmallLayer.columns
    let input = normal(packed.rows * columns, stream: 1), seed = normal(packed.rows * columns, stream: 2)
    let together = run(packed, input, seed, operation)
    var parameterGradients = [Double](repeating: 0, count: SmallLayer.parameterCount)
    for index in Self.lengths.indices {
      let range = packed.range(index).lowerBound * columns..<packed.range(index).upperBound * columns
      let layout = PackedLayout(lengths: [Self.lengths[index]], examples: [Self.examples[index]])
      let alone = run(layout, Array(input[range]), Array(seed[range]), operation)
      if exact {
        #expect(alone.output == Array(together.output[range]), sourceLocation: sourceLocation)
        #expect(alone.gradient == Array(together.gradient[range]), sourceLocation: sourceLocation)
      }
      expectClose(
        Array(together.output[range]), alone.output.map(Double.init), tolerance: 1e-6, "output", sourceLocation)
      expectClose(
        Array(together.gradient[range]), alone.gradient.map(Double.init), tolerance: 2e-6, "gradient", sourceLocation)
      for i in parameterGradients.indices { parameterGradients[i] += Double(alone.parameters[i]) }
    }
    expectClose(together.parameters, parameterGradients, tolerance: 2e-6, "parameters", sourceLocation)
  }

  private func run(
    _ layout: PackedLayout, _ input: [Float], _ seed: [Float], _ operation: (Tape, Tensor) -> Tensor
  ) -> (output: [Float], gradient: [Float], parameters: [Float]) {
    let count = SmallLayer.parameterCount
    let parameters = FloatStorage(zeros: count), gradients = FloatStorage(zeros: count)
    parameters[0..<count] = normal(count, stream: 3, deviation: 0.3)
    let tape = Tape(
      workspace: dirtyWorkspace(), parameters: parameters, gradients: gradients, dropout: Self.source)
    let x = tape.constant(input, layout: layout, columns: SmallLayer.columns, needsGradient: true)
    // Some operations work in place; the copy's gradient is x's.
    let y = operation(tape, x)
    let output = y.values
    y.seedGradient(seed, in: tape.workspace)
    tape.backward()
    return (output, x.gradient ?? [], gradients[0..<count])
  }
}
