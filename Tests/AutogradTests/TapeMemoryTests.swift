import Autograd
import Kernels
import Testing

/// What a derivative does not need is free again as soon as the forward code lets go.
@Suite struct TapeMemoryTests {
  static let layout = PackedLayout([64]), columns = 256
  /// Bytes of one tensor [N, C].
  static let size = 80 * 256 * 4  // with 16 rows of zeros for products
  let storage = FloatStorage(zeros: 4 * 256)
  let workspace = Workspace()
  var tape: Tape { Tape(workspace: workspace, parameters: storage, gradients: FloatStorage(zeros: storage.count)) }

  let map = FrozenLinear(
    weight: FrozenTensor([Float](repeating: 0.01, count: 256 * 256), shape: [256, 256]), bias: nil)
  let adapter = LowRankAdapter(
    a: ParameterReference(offset: 0, rows: 2, columns: 256), b: ParameterReference(offset: 512, rows: 256, columns: 2),
    scale: 1, dropout: 0, dropoutSite: 0)
  let norm = NormWeights(
    gamma: FrozenTensor([Float](repeating: 1, count: 256), shape: [256]),
    beta: FrozenTensor([Float](repeating: 0, count: 256), shape: [256]), epsilon: 1e-5)

  /// A chain of frozen maps holds no activation but the one at hand.
  @Test func aFrozenMapLetsItsInputGo() {
    let tape = tape
    var x = input(tape)
    for _ in 0..<6 { x = tape.linear(x, AdaptedLinear(map, adapter: nil)) }
    #expect(workspace.peakBytes == 2 * Self.size)
    backward(tape, x)
  }

  @Test func anAdaptedMapKeepsItsInput() {
    let tape = tape
    var x = input(tape)
    for _ in 0..<6 { x = tape.linear(x, AdaptedLinear(map, adapter: adapter)) }
    // Seven tensors and six times x Aᵀ.
    #expect(workspace.peakBytes >= 7 * Self.size)
    #expect(workspace.peakBytes <= 7 * Self.size + 6 * 80 * 2 * 4)
    backward(tape, x)
  }

  /// Between two adapted maps only their inputs stay.
  @Test func anAdaptedMapLetsItsOutputGo() {
    let tape = tape
    var x = input(tape)
    for _ in 0..<3 {
      x = tape.linear(x, AdaptedLinear(map, adapter: adapter))
      x = tape.linear(x, AdaptedLinear(map, adapter: nil))
    }
    #expect(workspace.peakBytes <= 5 * Self.size + 3 * 80 * 2 * 4)
    backward(tape, x)
  }

  /// x Aᵀ of an A that three maps name is computed and kept once.
  @Test func aSharedAIsMultipliedOnce() {
    let tape = tape
    let outputs = tape.linear(input(tape), (0..<3).map { _ in AdaptedLinear(map, adapter: adapter) })
    #expect(outputs.count == 3)
    #expect(workspace.peakBytes == 4 * Self.size + 80 * 2 * 4)
    for y in outputs { y.seedGradient([Float](repeating: 1, count: y.count), in: workspace) }
    tape.backward()
  }

  @Test func anActivationKeepsItsInputAlone() {
    let tape = tape
    var x = input(tape)
    for _ in 0..<4 { x = tape.linear(tape.activation(x, .gelu), AdaptedLinear(map, adapter: nil)) }
    #expect(workspace.peakBytes <= 6 * Self.size)
    backward(tape, x)
  }

  /// The sum is kept for the derivative, the residual is not.
  @Test func aNormLetsItsResidualGo() {
    let tape = tape
    var x = input(tape)
    for _ in 0..<5 {
      let y = tape.linear(x, AdaptedLinear(map, adapter: nil))
      x = tape.residualLayerNorm(y, bias: nil, dropout: 0, site: 0, residual: x, norm)
    }
    #expect(workspace.peakBytes <= 7 * Self.size + 5 * 80 * 2 * 4)
    backward(tape, x)
  }

  @Test func dropoutAndSelectionKeepNothing() {
    let gradients = FloatStorage(zeros: storage.count)
    let tape = Tape(
      workspace: workspace, parameters: storage, gradients: gradients,
      dropout: DropoutSource(philox: Philox(seed: 1), step: 0))
    var x = input(tape)
    for site in 0..<6 { x = tape.dropout(x, probability: 0.1, site: site) }
    let first = tape.selectFirst(x)
    // Two tensors, the chosen row and a row of multipliers.
    #expect(workspace.peakBytes <= 2 * Self.size + 33 * 256 * 4)
    x = first
    first.seedGradient([Float](repeating: 1, count: 256), in: workspace)
    tape.backward()
  }

  @Test func goingBackwardsGivesAllMemoryBack() {
    let bottom = workspace.allocate(1).base
    for _ in 0..<3 {
      let tape = tape
      backward(tape, tape.activation(tape.linear(input(tape), AdaptedLinear(map, adapter: adapter)), .tanh))
    }
    #expect(workspace.allocate(1 << 20).base == bottom)
  }

  @Test func aTapeThatNeverGoesBackwardsGivesItsMemoryBack() {
    let bottom = workspace.allocate(1).base
    do {
      let tape = Tape(
        workspace: workspace, parameters: storage, gradients: storage,
        dropout: DropoutSource(philox: Philox(seed: 1), step: 0))
      let x = tape.dropout(input(tape), probability: 0.1, site: 1)
      let y = tape.linear(x, AdaptedLinear(map, adapter: adapter))
      let z = tape.attention(q: y, k: y, v: y, heads: 2, dropout: 0.1, site: 2)
      let normed = tape.residualLayerNorm(z, bias: nil, dropout: 0.1, site: 3, residual: x, norm)
      _ = tape.trainableLinear(
        tape.selectFirst(tape.activation(normed, .gelu)),
        weight: ParameterReference(offset: 0, rows: 2, columns: 256),
        bias: ParameterReference(offset: 512, rows: 2, columns: 1))
    }
    #expect(workspace.allocate(1 << 20).base == bottom)
  }

  @Test func evaluationKeepsNothing() {
    let tape = Tape(workspace: workspace, parameters: storage)
    var x = input(tape)
    #expect(!x.needsGradient)
    for _ in 0..<6 { x = tape.activation(tape.linear(x, AdaptedLinear(map, adapter: adapter)), .gelu) }
    #expect(workspace.peakBytes <= 3 * Self.size + 80 * 2 * 4)
  }

  /// Every step needs what the first one needed.
  @Test func stepsNeedNoMoreThanTheFirst() {
    var peaks: [Int] = []
    for _ in 0..<4 {
      let tape = tape
      var x = input(tape)
      for _ in 0..<3 { x = tape.activation(tape.linear(x, AdaptedLinear(map, adapter: adapter)), .gelu) }
      backward(tape, x)
      peaks.append(workspace.peakBytes)
    }
    #expect(Set(peaks).count == 1)
  }

  private func input(_ tape: Tape) -> Tensor {
    tape.constant(
      [Float](repeating: 0.5, count: Self.layout.rows * Self.columns), layout: Self.layout, columns: Self.columns,
      needsGradient: true)
  }

  private func backward(_ tape: Tape, _ x: Tensor) {
    x.seedGradient([Float](repeating: 1, count: x.count), in: workspace)
    tape.backward()
  }
}
