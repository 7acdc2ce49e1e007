import Autograd
import Kernels
import Testing

@Suite struct LinearOfFewTests {
  /// As the general map, in every layout and type, beyond one chunk of inputs and outputs, at any number of threads.
  @Test(arguments: ElementType.allCases.filter { !$0.isQuantised }, [1, 3, 8])
  func isTheGeneralMap(type: ElementType, rows: Int) throws {
    let layout = PackedLayout([Int](repeating: 1, count: rows))
    for (inputs, outputs) in [(5, 3), (37, 130), (530, 1100)] {
      let storage = FloatStorage(zeros: 3 * (inputs + outputs))
      storage[0..<storage.count] = normal(storage.count, stream: 9)
      let adapter = LowRankAdapter(
        a: ParameterReference(offset: 0, rows: 3, columns: inputs),
        b: ParameterReference(offset: 3 * inputs, rows: outputs, columns: 3), scale: 0.7, dropout: 0, dropoutSite: 0)
      let bias = FrozenTensor(normal(outputs, stream: 3), shape: [outputs])
      let rowWise = try stored(normal(inputs * outputs, stream: 1), shape: [outputs, inputs], as: type)
      let columnWise = try stored(normal(inputs * (outputs + 7), stream: 2), shape: [inputs, outputs + 7], as: type)
      let maps = [
        AdaptedLinear(FrozenLinear(weight: rowWise, bias: bias), adapter: adapter),
        AdaptedLinear(FrozenLinear(weight: rowWise, bias: bias), adapter: nil, addsBias: false),
        AdaptedLinear(
          FrozenLinear(weight: columnWise, bias: bias, layout: .columns(4..<(4 + outputs))), adapter: adapter),
      ]
      let workspace = dirtyWorkspace()
      let tape = Tape(workspace: workspace, parameters: storage)
      let x = tape.constant(normal(rows * inputs, stream: 4), layout: layout, columns: inputs)
      let expected = tape.linear(x, maps).map { $0.values.map(Double.init) }
      let alone = tape.linearOfFew(x, maps).map(\.values)
      for (alone, expected) in zip(alone, expected) { expectClose(alone, expected, tolerance: 2e-6) }
      for threads in [2, 5] {
        workspace.team = Team(threads: threads)
        #expect(tape.linearOfFew(x, maps).map(\.values) == alone)
      }
    }
  }
}
