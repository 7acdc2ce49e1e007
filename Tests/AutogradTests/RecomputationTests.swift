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
