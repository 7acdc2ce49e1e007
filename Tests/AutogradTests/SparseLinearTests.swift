import Autograd
import Kernels
import Testing

@Suite struct SparseLinearTests {
  /// More rows than one block has.
  private static let layout = PackedLayout([14, 1, 6])
  private static let inputs = 10
  private static let outputs = 7
  private static let places = SparsePlaces(rows: [0, 0, 3, 6, 6], columns: [2, 9, 2, 0, 5])
  private static let a = ParameterReference(offset: 0, rows: 2, columns: inputs)
  private static let b = ParameterReference(offset: 20, rows: outputs, columns: 2)
  private static let s = ParameterReference(offset: 34, rows: 5, columns: 1)
  private static let g = ParameterReference(offset: 39, rows: outputs, columns: 1)

  private func linear() throws -> FrozenLinear {
    FrozenLinear(
      weight: FrozenTensor(normal(Self.outputs * Self.inputs, stream: 10), shape: [Self.outputs, Self.inputs]),
      bias: FrozenTensor(normal(Self.outputs, stream: 11), shape: [Self.outputs]))
  }

  private func biases(_ linear: FrozenLinear) -> [Double] { linear.bias?.floats().map { Double($0) } ?? [] }

  private func reference(_ x: Matrix, _ linear: FrozenLinear, _ parameters: [Double]) -> Matrix {
    let low = x.timesTransposed(Matrix(parameters, Self.a)).timesTransposed(Matrix(parameters, Self.b))
    var dense = [Double](repeating: 0, count: Self.outputs * Self.inputs)
    for (index, value) in parameters[Self.s.range].enumerated() {
      dense[Int(Self.places.rows[index]) * Self.inputs + Int(Self.places.columns[index])] += value
    }
    return x.timesTransposed(Matrix(linear.weight)) + 2 * low
      + x.timesTransposed(Matrix(dense, columns: Self.inputs))
  }

  @Test(arguments: [true, false], [true, false])
  func aSparseTermBesideAnAdapter(needsGradient: Bool, scalesRows: Bool) throws {
    let linear = try linear()
    let adapter = LowRankAdapter(
      a: Self.a, b: Self.b, rowScale: scalesRows ? Self.g : nil,
      sparse: SparseReference(places: Self.places, values: Self.s), scale: 2, dropout: 0, dropoutSite: 0)
    for precision in testedPrecisions {
      checkGradients(
        [Leaf(Self.layout, columns: Self.inputs, stream: 1, needsGradient: needsGradient)],
        parameters: normal(46, stream: 2, deviation: 0.5), precision: precision, tolerance: precision.tolerance(),
        operation: { tape, x in [tape.linear(x[0], AdaptedLinear(linear, adapter: adapter))] },
        reference: { x, parameters in
          let y = reference(x[0], linear, parameters), bias = biases(linear)
          guard scalesRows else { return [y.plus(row: bias)] }
          let g = Array(parameters[Self.g.range])
          return [Matrix(rows: y.rows, columns: y.columns) { y[$0, $1] * g[$1] }.plus(row: bias)]
        })
    }
  }

  @Test func generationAddsItToo() throws {
    let linear = try linear(), parameters = normal(46, stream: 2, deviation: 0.5)
    let storage = FloatStorage(zeros: 46)
    storage[0..<46] = parameters
    let adapter = LowRankAdapter(
      a: Self.a, b: Self.b, sparse: SparseReference(places: Self.places, values: Self.s), scale: 2, dropout: 0,
      dropoutSite: 0)
    let tape = Tape(workspace: Workspace(), parameters: storage), layout = PackedLayout([1, 1])
    let values = normal(2 * Self.inputs, stream: 3)
    let x = tape.constant(values, layout: layout, columns: Self.inputs)
    let y = tape.linearOfFew(x, [AdaptedLinear(linear, adapter: adapter)])[0]
    let expected = reference(
      Matrix(values.map { Double($0) }, columns: Self.inputs), linear, parameters.map { Double($0) }
    ).plus(row: biases(linear))
    expectClose(y.values, expected.values, tolerance: 1e-5, "values")
  }

  /// The gradient of the frozen weight, for methods that look at it: Σ over the rows of dy ⊗ x.
  @Test func theWeightsGradientIsAddedWhereItIsAskedFor() throws {
    let linear = try linear(), count = 34 + Self.outputs * Self.inputs
    let place = ParameterReference(offset: 34, rows: Self.outputs, columns: Self.inputs)
    let adapter = LowRankAdapter(a: Self.a, b: Self.b, weightGradient: place, scale: 2, dropout: 0, dropoutSite: 0)
    for precision in testedPrecisions {
      let storage = FloatStorage(zeros: count), gradients = FloatStorage(zeros: count)
      storage[0..<34] = normal(34, stream: 2)
      let tape = Tape(workspace: dirtyWorkspace(), parameters: storage, gradients: gradients, precision: precision)
      let values = normal(21 * Self.inputs, stream: 3), weights = normal(21 * Self.outputs, stream: 4)
      let x = tape.constant(values, layout: Self.layout, columns: Self.inputs)
      let y = tape.linear(x, AdaptedLinear(linear, adapter: adapter))
      y.seedGradient(weights, in: tape.workspace)
      tape.backward()
      let expected = (0..<Self.outputs).flatMap { out in
        (0..<Self.inputs).map { input in
          (0..<21).reduce(0.0) {
            $0 + Double(weights[$1 * Self.outputs + out]) * Double(values[$1 * Self.inputs + input])
          }
        }
      }
      expectClose(gradients[place.range], expected, tolerance: precision.tolerance(), "dW")
    }
  }
}
