import Autograd
import Foundation
import Kernels
import Testing

@Suite struct ElementwiseTests {
  static let layout = PackedLayout([3, 1, 5])
  static let source = DropoutSource(philox: Philox(seed: 4), step: 7)

  @Test(arguments: Activation.allCases, [true, false])
  func activation(kind: Activation, hasBias: Bool) {
    let columns = 19
    let bias = hasBias ? FrozenTensor(normal(columns, stream: 5), shape: [columns]) : nil
    var leaf = Leaf(Self.layout, columns: columns, stream: 1, deviation: 2)
    // Differences cannot cross the kink of ReLU.
    let offsets = bias?.floats() ?? [Float](repeating: 0, count: columns)
    for i in leaf.values.indices where abs(leaf.values[i] + offsets[i % columns]) < 0.01 { leaf.values[i] += 0.1 }
    for precision in testedPrecisions {
      leaf.precision = precision
      checkGradients(
        [leaf], precision: precision, tolerance: precision.tolerance(3e-6),
        operation: { tape, x in [tape.activation(x[0], bias: bias, kind)] },
        reference: { x, _ in [x[0].plus(row: offsets.map(Double.init)).map { definition(kind, $0) }] })
    }
  }

  /// The slopes that take an input's place may be finite where it was not.
  @Test func aTraceSeesTheInputBeforeItsSlopes() throws {
    let storage = FloatStorage(zeros: 0), trace = NumberTrace()
    let tape = Tape(workspace: Workspace(), parameters: storage, gradients: storage)
    tape.trace = trace
    let x = tape.constant(
      [1, .nan, 2], layout: PackedLayout(lengths: [2, 1], examples: [4, 9]), columns: 1, needsGradient: true)
    _ = tape.activation(x, .relu)
    trace.forwardIsDone()
    let finding = try #require(trace.finding)
    #expect(finding.operation == "constant" && finding.number == 1 && finding.examples == [4], "\(finding)")
  }

  @Test func aConstantsActivationHasNoGradient() {
    checkGradients(
      [Leaf(Self.layout, columns: 5, stream: 1, needsGradient: false)],
      operation: { tape, x in [tape.activation(x[0], .tanh)] }, reference: { x, _ in [x[0].map(tanh)] })
  }

  @Test(arguments: [0.1, 0.5] as [Float], [true, false]) func dropout(probability: Float, needsGradient: Bool) {
    let columns = 133
    for precision in testedPrecisions {
      checkGradients(
        [Leaf(Self.layout, columns: columns, stream: 1, needsGradient: needsGradient, precision: precision)],
        dropout: Self.source, tolerance: precision.tolerance(),
        operation: { tape, x in [tape.dropout(x[0], probability: probability, site: 12)] },
        reference: { x, _ in
          [x[0] * Self.source.mask(Self.layout, columns: columns, probability: probability, site: 12)]
        })
    }
  }

  @Test func withoutASourceOrProbabilityDropoutIsTheInput() {
    let storage = FloatStorage(zeros: 0)
    let evaluating = Tape(workspace: Workspace(), parameters: storage)
    let x = evaluating.constant([1, 2, 3], layout: PackedLayout([3]), columns: 1)
    #expect(evaluating.dropout(x, probability: 0.5, site: 1) === x)
    let training = Tape(workspace: Workspace(), parameters: storage, gradients: storage, dropout: Self.source)
    #expect(training.dropout(x, probability: 0, site: 1) === x)
  }

  /// The mask a token gets is named by step, site, example and position: neighbours and their number change nothing.
  @Test func masksDoNotDependOnThePacking() {
    let columns = 150
    let alone = mask(PackedLayout(lengths: [5], examples: [8]), step: 7, site: 12, columns)
    let packed = mask(PackedLayout(lengths: [3, 5, 2], examples: [4, 8, 9]), step: 7, site: 12, columns)
    #expect(Array(packed[3 * columns..<8 * columns]) == alone)
    // A longer sequence starts with the same rows.
    let longer = mask(PackedLayout(lengths: [9], examples: [8]), step: 7, site: 12, columns)
    #expect(Array(longer[..<(5 * columns)]) == alone)
    #expect(mask(PackedLayout(lengths: [5], examples: [9]), step: 7, site: 12, columns) != alone)
    #expect(mask(PackedLayout(lengths: [5], examples: [8]), step: 8, site: 12, columns) != alone)
    #expect(mask(PackedLayout(lengths: [5], examples: [8]), step: 7, site: 13, columns) != alone)
  }

  /// y = m ∘ x and dx = m ∘ dy with one m: with x = dy = 1 both show it.
  @Test func theSameMaskGoesForwardAndBack() {
    let storage = FloatStorage(zeros: 0)
    let tape = Tape(workspace: dirtyWorkspace(), parameters: storage, gradients: storage, dropout: Self.source)
    let count = Self.layout.rows * 200, ones = [Float](repeating: 1, count: count)
    let x = tape.constant(ones, layout: Self.layout, columns: 200, needsGradient: true)
    let y = tape.dropout(x, probability: 0.3, site: 2)
    let forward = y.values
    y.seedGradient(ones, in: tape.workspace)
    tape.backward()
    #expect(x.gradient == forward)
    #expect(x.values == ones)
    let rate = Double(forward.count { $0 == 0 }) / Double(count)
    #expect(abs(rate - 0.3) < 5 * (0.21 / Double(count)).squareRoot())
  }

  private func mask(_ layout: PackedLayout, step: Int, site: Int, _ columns: Int) -> [Float] {
    let storage = FloatStorage(zeros: 0)
    let tape = Tape(
      workspace: Workspace(), parameters: storage, dropout: DropoutSource(philox: Philox(seed: 4), step: step))
    let x = tape.constant([Float](repeating: 1, count: layout.rows * columns), layout: layout, columns: columns)
    return tape.dropout(x, probability: 0.5, site: site).values
  }
}

private func definition(_ kind: Activation, _ x: Double) -> Double {
  switch kind {
  case .gelu: 0.5 * x * erfc(-x / 2.0.squareRoot())
  case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
  case .quickGELU: x / (1 + exp(-1.702 * x))
  case .relu: max(0, x)
  case .silu: x / (1 + exp(-x))
  case .tanh: tanh(x)
  case .mish: x * tanh(log1p(exp(x)))
  case .relu2: max(0, x) * max(0, x)
  }
}
