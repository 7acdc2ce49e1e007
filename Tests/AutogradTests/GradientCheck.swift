import Autograd
import Kernels
import Testing

/// What this machine computes in.
let testedPrecisions: [Precision] = Products.hasBFloat16 ? [.float32, .bfloat16] : [.float32]

extension Precision {
  /// `exact` in float32. bfloat16 keeps 8 bits of every input, weight, result and gradient.
  func tolerance(_ exact: Double = 1e-5) -> Double { self == .float32 ? exact : 0.05 }
}

/// An input of an operation under test.
struct Leaf {
  var values: [Float]
  let layout: PackedLayout
  let columns: Int
  var needsGradient = true
  var precision = Precision.float32

  /// Normally distributed numbers; `stream` tells leaves apart.
  init(
    _ layout: PackedLayout, columns: Int, stream: UInt64, deviation: Double = 1, needsGradient: Bool = true,
    precision: Precision = .float32
  ) {
    self.precision = precision
    values = normal(layout.rows * columns, stream: stream, deviation: deviation)
    self.layout = layout
    self.columns = columns
    self.needsGradient = needsGradient
  }

  var matrix: Matrix { Matrix(values.map(Double.init), columns: columns) }
}

/// Checks an operation against its definition in double precision: the values, and the gradients of a weighted sum of
/// the outputs against central differences of that definition. What float32 rounds is all that may differ.
///
/// - Parameters:
///   - operation: The operation on a tape, from tensors that hold the leaves.
///   - axes: How many single numbers of each input are varied at most.
///   - reference: The same from matrices of the leaves and all parameters.
func checkGradients(
  _ leaves: [Leaf], parameters: [Float] = [], dropout: DropoutSource? = nil, precision: Precision = .float32,
  tolerance: Double = 1e-5,
  axes: Int = 40, sourceLocation: SourceLocation = #_sourceLocation, operation: (Tape, [Tensor]) -> [Tensor],
  reference: ([Matrix], [Double]) -> [Matrix]
) {
  let storage = FloatStorage(zeros: parameters.count), gradients = FloatStorage(zeros: parameters.count)
  storage[0..<parameters.count] = parameters
  // What gradients are added to is not zero: a parameter may have got some from another shard's operations.
  let before = normal(parameters.count, stream: 900)
  gradients[0..<parameters.count] = before
  let tape = Tape(
    workspace: dirtyWorkspace(), parameters: storage, gradients: gradients, dropout: dropout,
    precision: precision)
  let tensors = leaves.map {
    tape.constant(
      $0.values, layout: $0.layout, columns: $0.columns, needsGradient: $0.needsGradient,
      precision: $0.precision)
  }
  let outputs = operation(tape, tensors)
  let matrices = leaves.map(\.matrix), doubles = parameters.map(Double.init)
  let expected = reference(matrices, doubles)
  #expect(outputs.count == expected.count, sourceLocation: sourceLocation)
  for (output, expected) in zip(outputs, expected) {
    expectClose(output.values, expected.values, tolerance: tolerance, "values", sourceLocation)
  }

  let weights = outputs.enumerated().map { normal($1.count, stream: 1000 + UInt64($0)) }
  for (output, weights) in zip(outputs, weights) { output.seedGradient(weights, in: tape.workspace) }
  tape.backward()

  func loss(_ matrices: [Matrix], _ parameters: [Double]) -> Double {
    zip(reference(matrices, parameters), weights).reduce(0.0) { sum, pair in
      zip(pair.0.values, pair.1).reduce(sum) { $0 + $1.0 * Double($1.1) }
    }
  }
  for (index, leaf) in leaves.enumerated() {
    guard leaf.needsGradient else {
      #expect(tensors[index].gradient == nil, sourceLocation: sourceLocation)
      continue
    }
    guard let gradient = tensors[index].gradient else {
      Issue.record("nothing flowed back to input \(index)", sourceLocation: sourceLocation)
      continue
    }
    check(gradient.map(Double.init), around: matrices[index].values, tolerance, axes, "input \(index)", sourceLocation)
    {
      var changed = matrices
      changed[index].values = $0
      return loss(changed, doubles)
    }
  }
  let gained = zip(gradients[0..<parameters.count], before).map { Double($0) - Double($1) }
  // Adding to what was there rounds once more.
  check(gained, around: doubles, max(tolerance, 2e-6), axes, "parameters", sourceLocation) { loss(matrices, $0) }
}

/// Compares `gradient` with central differences of `loss`: along three random directions, which touch every number, and
/// along some axes, which find the place of an error.
private func check(
  _ gradient: [Double], around point: [Double], _ tolerance: Double, _ axes: Int, _ name: String,
  _ sourceLocation: SourceLocation, loss: ([Double]) -> Double
) {
  guard !point.isEmpty else { return }
  let step = 1e-4, scale = gradient.reduce(0) { max($0, abs($1)) } + 0.05
  func slope(_ direction: [Double]) -> Double {
    let above = zip(point, direction).map { $0 + step * $1 }, below = zip(point, direction).map { $0 - step * $1 }
    return (loss(above) - loss(below)) / (2 * step)
  }
  for number in 0..<3 {
    let direction = normal(point.count, stream: 2000 + UInt64(number)).map(Double.init)
    let expected = slope(direction), found = zip(gradient, direction).reduce(0) { $0 + $1.0 * $1.1 }
    #expect(
      abs(found - expected) < tolerance * scale * Double(point.count).squareRoot() * 3,
      "\(name), direction \(number): \(found), not \(expected)", sourceLocation: sourceLocation)
  }
  for axis in Philox(seed: 3).permutation(point.count, epoch: 0).prefix(axes) {
    var direction = [Double](repeating: 0, count: point.count)
    direction[axis] = 1
    let expected = slope(direction)
    #expect(
      abs(gradient[axis] - expected) < tolerance * scale,
      "\(name)[\(axis)]: \(gradient[axis]), not \(expected)", sourceLocation: sourceLocation)
  }
}

/// Expects every number within `tolerance` of its exact value, relative to the largest one.
func expectClose(
  _ found: [Float], _ expected: [Double], tolerance: Double, _ name: String = "",
  _ sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(found.count == expected.count, sourceLocation: sourceLocation)
  let scale = expected.reduce(1e-3) { max($0, abs($1)) }
  for (index, (value, exact)) in zip(found, expected).enumerated()
  where !(abs(Double(value) - exact) < tolerance * scale) {
    Issue.record("\(name)[\(index)]: \(value), not \(exact)", sourceLocation: sourceLocation)
    return
  }
}

/// Numbers of N(0, deviation²).
func normal(_ count: Int, stream: UInt64, deviation: Double = 1) -> [Float] {
  Philox(seed: 77).normal(count, deviation: deviation, stream: stream)
}

/// A workspace whose memory holds NaN, so that reading what was never written shows.
func dirtyWorkspace() -> Workspace {
  let workspace = Workspace()
  let all = workspace.allocate(1 << 18)
  all.base.update(repeating: .nan, count: all.count)
  return workspace
}

extension PackedLayout {
  /// Sequences of the given lengths, whose example numbers are neither consecutive nor from zero.
  convenience init(_ lengths: [Int]) {
    self.init(lengths: lengths, examples: lengths.indices.map { 3 + 2 * $0 })
  }

  /// The same sequences with `count` rows each.
  func firstRows(_ count: Int) -> PackedLayout {
    PackedLayout(lengths: examples.map { _ in count }, examples: examples)
  }
}
