import Kernels

/// Holds a tensor's gradient, apart from its value: an operation that keeps only the slot of its input lets the
/// input's memory go.
final class GradientSlot {
  /// Numbers in the tensor.
  let count: Int
  private(set) var buffer: Buffer?

  init(count: Int) { self.count = count }

  /// The gradient as a matrix; nil where none has flowed back.
  func view(_ columns: Int) -> MatrixView? { buffer?.view(columns) }

  /// The gradient to add to. `beta` is 0 where it is fresh and holds nothing yet, so the first writer overwrites.
  func accumulator(in workspace: Workspace) -> (base: UnsafeMutablePointer<Float>, beta: Float) {
    if let buffer { return (buffer.base, 1) }
    let fresh = workspace.allocate(count)
    buffer = fresh
    return (fresh.base, 0)
  }

  /// The gradient to add to, holding zeros where nothing has flowed back yet.
  func zeroedAccumulator(in workspace: Workspace) -> UnsafeMutablePointer<Float> {
    let (base, beta) = accumulator(in: workspace)
    if beta == 0 { base.update(repeating: 0, count: count) }
    return base
  }

  /// Adds `source` to the gradient.
  func add(_ source: UnsafePointer<Float>, in workspace: Workspace) {
    let (base, beta) = accumulator(in: workspace)
    if beta == 0 { base.update(from: source, count: count) } else { addFloats(base, source, count) }
  }

  /// Adds `source` to the gradient, taking its memory over where there is none yet.
  func add(moving source: Buffer, in workspace: Workspace) {
    if buffer == nil { buffer = source } else { add(source.base, in: workspace) }
  }

  /// The gradient that has flowed back, handed over to be overwritten; nil where none has.
  func take() -> Buffer? {
    defer { buffer = nil }
    return buffer
  }
}
