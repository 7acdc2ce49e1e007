import Autograd
import Kernels
import Testing

@Suite struct RecomputationTests {
  /// The same bits as without, with dropout, and less memory.
  @Test(arguments: testedPrecisions, [true, false])
  func givesTheSameGradientsInLessMemory(precision: Precision, needsGradient: Bool) throws {
    let kept = try gradients(precision, needsGradient, recomputes: false)
    let again = try gradients(precision, needsGradient, recomputes: true)
    #expect(kept.values == again.values)
    #expect(kept.parameters == again.parameters)
    #expect(kept.parameters.contains { $0 != 0 })
    #expect(kept.input == again.input)
    #expect((kept.input != nil) == needsGradient)
    #expect(again.peakBytes < kept.peakBytes * 3 / 4)
  }

  /// Tables of relative positions are an input of every block: their gradients gather there, and go to an adapter.
  @Test(arguments: testedPrecisions) func blocksShareAnInput(precision: Precision) {
    let layer = SmallLayer(), columns = SmallLayer.columns, layout = PackedLayout([40, 9])
    func gradients(recomputes: Bool) -> (parameters: [Float], input: [Float]?) {
      let count = SmallLayer.parameterCount
      let parameters = FloatStorage(zeros: count), gradients = FloatStorage(zeros: count)
      parameters[0..<count] = normal(count, stream: 2, deviation: 0.3)
      let tape = Tape(
        workspace: dirtyWorkspace(), parameters: parameters, gradients: gradients, precision: precision)
      let table = tape.linear(
        tape.constant(
          normal(16 * columns, stream: 4), layout: PackedLayout(lengths: [16], examples: [0]), columns: columns),
        AdaptedLinear(layer.maps[0], adapter: SmallLayer.query))
      let input = tape.constant(
        normal(layout.rows * columns, stream: 1), layout: layout, columns: columns, needsGradient: true,
        precision: precision)
      var x = input
      for _ in 0..<3 {
        let block: (Tape, [Tensor]) -> [Tensor] = { tape, inputs in
          let relative = RelativePositions(keys: inputs[1], queries: inputs[1]) { min(max($0 + 8, 0), 15) }
          return [
            tape.attention(
              q: inputs[0], k: inputs[0], v: inputs[0], heads: 2, reach: .within(12), relative: relative, dropout: 0,
              site: 1)
          ]
        }
        x = (recomputes ? tape.recomputing([x, table], trains: false, block) : block(tape, [x, table]))[0]
      }
      x.seedGradient(normal(x.count, stream: 3), in: tape.workspace)
      tape.backward()
      return (gradients[0..<count], input.gradient)
    }
    let kept = gradients(recomputes: false), again = gradients(recomputes: true)
    #expect(kept.parameters.contains { $0 != 0 })
    // Gradients of the table may be added in another order.
    expectClose(again.parameters, kept.parameters.map(Double.init), tolerance: precision.tolerance(1e-6))
    #expect(kept.input == again.input)
  }

  @Test func evaluationRunsTheBodyOnTheTapeItself() {
    let tape = Tape(workspace: Workspace(), parameters: FloatStorage(zeros: 0))
    let x = tape.constant([1, 2], layout: PackedLayout([2]), columns: 1)
    let y = tape.recomputing([x], trains: false) { inner, inputs in
      #expect(inner === tape)
      return [inner.activation(inputs[0], .relu)]
    }
    #expect(y[0].values == [1, 2])
  }

  private struct Result {
    let values: [Float]
    let parameters: [Float]
    let input: [Float]?
    let peakBytes: Int
  }

  private func gradients(_ precision: Precision, _ needsGradient: Bool, recomputes: Bool) throws -> Result {
    let layer = SmallLayer(), layout = PackedLayout([40, 9, 31]), workspace = Workspace()
    let count = SmallLayer.parameterCount
    let parameters = FloatStorage(zeros: count), gradients = FloatStorage(zeros: count)
    parameters[0..<count] = normal(count, stream: 2, deviation: 0.3)
    let tape = Tape(
      workspace: workspace, parameters: parameters, gradients: gradients, dropout: CompositionTests.source,
      precision: precision)
    let input = tape.constant(
      normal(layout.rows * SmallLayer.columns, stream: 1), layout: layout, columns: SmallLayer.columns,
      needsGradient: needsGradient)
    var x = input
    for _ in 0..<8 {
      let block: (Tape, [Tensor]) -> [Tensor] = { [layer.forward($0, $1[0], dropout: 0.2)] }
      x = (recomputes ? tape.recomputing([x], trains: true, block) : block(tape, [x]))[0]
    }
    x.seedGradient(normal(x.count, stream: 3), in: workspace)
    tape.backward()
    return Result(
      values: x.values, parameters: gradients[0..<count], input: input.gradient, peakBytes: workspace.peakBytes)
  }
}
