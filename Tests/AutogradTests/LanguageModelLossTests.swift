import Foundation
import Kernels
import Testing

@testable import Autograd

@Suite struct LanguageModelLossTests {
  static let columns = 6

  @Test(arguments: ElementType.allCases.filter { !$0.isQuantised }, [0, 0.1] as [Float])
  func lossesAndGradients(type: ElementType, smoothing: Float) throws {
    try check([7, 1, 4], vocabulary: 23, type, smoothing)
  }

  /// Granite's scale and Gemma 2's cap, with logits of several times the cap.
  @Test(arguments: [(0.4, nil), (1, 0.8), (1.7, 0.8)] as [(Float, Float?)], [0, 0.1] as [Float])
  func scaledAndCappedLogits(form: (scale: Float, softCap: Float?), smoothing: Float) throws {
    try check([7, 1, 4], vocabulary: 23, .float32, smoothing, scale: form.scale, softCap: form.softCap)
    if smoothing > 0 {
      try check([600], vocabulary: 5000, .float32, smoothing, scale: form.scale, softCap: form.softCap, axes: 1)
    }
  }

  /// For few rows and for many.
  @Test(arguments: [3, 20]) func logits(rows: Int) {
    let tape = Tape(workspace: dirtyWorkspace(), parameters: FloatStorage(zeros: 0))
    let values = normal(rows * 6, stream: 1), w = FrozenTensor(normal(9 * 6, stream: 2), shape: [9, 6])
    let head = FrozenLinear(weight: w, bias: nil)
    let hidden = tape.constant(values, layout: PackedLayout([rows]), columns: 6)
    let plain = Matrix(values.map(Double.init), columns: 6).timesTransposed(Matrix(w))
    expectClose(tape.languageModelLogits(hidden, head: head, scale: 0.3).values, (0.3 * plain).values, tolerance: 1e-6)
    expectClose(
      tape.languageModelLogits(hidden, head: head, scale: 0.5, softCap: 2).values,
      plain.map { 2 * tanh(0.5 * $0 / 2) }.values, tolerance: 1e-6)
  }

  @Test func moreRowsThanASliceHas() throws {
    #expect(HeadSlices.rows(vocabulary: 5000) < 600)
    try check([600], vocabulary: 5000, .float32, 0.1, axes: 1)
  }

  @Test(arguments: [ElementType.bfloat16, .float16]) func moreOfTheVocabularyThanIsWidenedAtOnce(type: ElementType)
    throws
  {
    #expect(HeadSlices.widenedRows(columns: 4096) < 700)
    try check([3, 2], vocabulary: 700, columns: 4096, type, 0.1, axes: 2)
  }

  @Test func rowsWithoutATargetCostNothing() {
    let storage = FloatStorage(zeros: 0)
    let tape = Tape(workspace: dirtyWorkspace(), parameters: storage, gradients: storage)
    let hidden = tape.constant(
      normal(12, stream: 1), layout: PackedLayout([2]), columns: Self.columns, needsGradient: true)
    let w = FrozenTensor(normal(5 * Self.columns, stream: 2), shape: [5, Self.columns])
    let head = FrozenLinear(weight: w, bias: nil)
    #expect(tape.languageModelLoss(hidden, head: head, targets: [-1, -1], weights: [1, 1]) == [0, 0])
    #expect(hidden.gradient == nil)
  }

  @Test func evaluationLeavesNoGradient() {
    let tape = Tape(workspace: dirtyWorkspace(), parameters: FloatStorage(zeros: 0))
    let hidden = tape.constant(
      [Float](repeating: 0, count: 6), layout: PackedLayout([1]), columns: 6, needsGradient: true)
    let head = FrozenLinear(weight: FrozenTensor(normal(24, stream: 2), shape: [4, 6]), bias: nil)
    let losses = tape.languageModelLoss(hidden, head: head, targets: [3], weights: [1])
    #expect(abs(losses[0] - log(4)) < 1e-6)
    #expect(hidden.gradient == nil)
    #expect(tape.languageModelLogits(hidden, head: head).values == [0, 0, 0, 0])
  }

  /// Whether the head is packed follows from the machine's memory, which must not show in the bits.
  @Test(.enabled(if: Products.hasPackedLayouts, "products have no layouts of their own"), arguments: testedPrecisions)
  func aPackedHeadGivesTheSameBits(precision: Precision) throws {
    let layout = PackedLayout([200]), columns = 64, vocabulary = 5000
    let weight = FrozenTensor(normal(vocabulary * columns, stream: 1), shape: [vocabulary, columns])
    let plain = FrozenLinear(weight: precision == .bfloat16 ? weight.inBFloat16() : weight, bias: nil)
    let matrix = try #require(plain.packed(precision))
    let packed = FrozenLinear(weight: plain.weight, bias: nil, prepared: .packed(matrix))
    func run(_ head: FrozenLinear, threads: Int?) throws -> ([Double], [Float], [Float]) {
      let storage = FloatStorage(zeros: 0), workspace = Workspace()
      workspace.team = threads.map { Team(threads: $0) }
      let tape = Tape(workspace: workspace, parameters: storage, gradients: storage, precision: precision)
      let hidden = tape.constant(
        normal(layout.rows * columns, stream: 2), layout: layout, columns: columns, needsGradient: true,
        precision: precision)
      let targets = (0..<layout.rows).map { Int32($0 * 31 % vocabulary) }
      let losses = tape.languageModelLoss(
        hidden, head: head, targets: targets, weights: [Float](repeating: 1, count: layout.rows))
      return (losses, try #require(hidden.gradient), tape.languageModelLogits(hidden, head: head).values)
    }
    let expected = try run(plain, threads: nil)
    for head in [plain, packed] {
      for threads in [nil, 1, 2, 3] {
        let found = try run(head, threads: threads)
        #expect(found == expected, "\(threads ?? 0) threads")
      }
    }
  }

  private func check(
    _ lengths: [Int], vocabulary: Int, columns: Int = Self.columns, _ type: ElementType, _ smoothing: Float,
    scale: Float = 1, softCap: Float? = nil, axes: Int = 40
  ) throws {
    let layout = PackedLayout(lengths)
    let tensor = try stored(normal(vocabulary * columns, stream: 1), shape: [vocabulary, columns], as: type)
    let head = FrozenLinear(weight: tensor, bias: nil), w = Matrix(tensor), weights = normal(layout.rows, stream: 2)
    // Every fourth row has no target.
    let targets = (0..<layout.rows).map { $0 % 4 == 1 ? -1 : Int32($0 * 7 % vocabulary) }
    let values = normal(layout.rows * columns, stream: 3, deviation: 2 / Double(columns).squareRoot())
    func losses(_ hidden: Matrix) -> [Double] {
      let logits = hidden.timesTransposed(w).map { product in
        let z = Double(scale) * product
        return softCap.map { Double($0) * tanh(z / Double($0)) } ?? z
      }
      return targets.enumerated().map { row, target in
        guard target >= 0 else { return 0 }
        let row = logits.row(row), sum = log(row.reduce(0) { $0 + exp($1) }), epsilon = Double(smoothing)
        return (1 - epsilon) * (sum - row[Int(target)])
          + epsilon * (sum - row.reduce(0, +) / Double(vocabulary))
      }
    }
    for precision in testedPrecisions {
      let storage = FloatStorage(zeros: 0)
      let tape = Tape(workspace: dirtyWorkspace(), parameters: storage, gradients: storage, precision: precision)
      let hidden = tape.constant(values, layout: layout, columns: columns, needsGradient: true)
      let found = tape.languageModelLoss(
        hidden, head: head, targets: targets, weights: weights, smoothing: smoothing, scale: scale,
        softCap: softCap)
      let start = Matrix(values.map(Double.init), columns: columns)
      expectClose(found.map(Float.init), losses(start), tolerance: precision.tolerance())
      let gradient = try #require(hidden.gradient)
      let scale = gradient.reduce(0) { max($0, abs($1)) }
      for axis in Philox(seed: 3).permutation(gradient.count, epoch: 0).prefix(axes) {
        func total(_ step: Double) -> Double {
          var changed = start
          changed.values[axis] += step
          return zip(losses(changed), weights).reduce(0) { $0 + $1.0 * Double($1.1) }
        }
        let slope = (total(1e-4) - total(-1e-4)) / 2e-4
        #expect(abs(Double(gradient[axis]) - slope) < precision.tolerance(2e-5) * Double(scale), "axis \(axis)")
      }
    }
  }
}
