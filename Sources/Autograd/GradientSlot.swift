import Kernels

/// A tensor's gradient, apart from its values: an operation that keeps only the slot of its input does not keep the
/// input's memory. The gradient has the tensor's precision and layout.
final class GradientSlot {
  let shape: TensorShape
  private(set) var buffer: Buffer?

  init(_ shape: TensorShape) { self.shape = shape }

  /// The count of numbers.
  var count: Int { shape.count }

  /// The gradient as a matrix; nil if there is none yet.
  var operand: Operand? { buffer.map(shape.operand) }

  /// The gradient to add to. If `isFresh`, only the rows after the last one are set, to zero; the caller must overwrite
  /// the rest.
  func accumulator(in workspace: Workspace) -> (buffer: Buffer, isFresh: Bool) {
    if let buffer { return (buffer, false) }
    let fresh = shape.allocate(in: workspace)
    buffer = fresh
    return (fresh, true)
  }

  /// The gradient to add to, zeros at first.
  func zeroedAccumulator(in workspace: Workspace) -> Buffer {
    let (buffer, isFresh) = accumulator(in: workspace)
    if isFresh { buffer.clear() }
    return buffer
  }

  /// Adds `source`, which has the same shape and precision.
  func add(_ source: Buffer, in workspace: Workspace) {
    let (target, isFresh) = accumulator(in: workspace)
    guard workspace.computes else { return }
    if isFresh {
      target.address(0, shape.precision).copyMemory(
        from: source.address(0, shape.precision), byteCount: count * shape.precision.byteCount)
    } else {
      target.add(source, count, shape.precision)
    }
  }

  /// Adds `source`, which `shape` allocated. Its memory becomes the gradient if there is none yet.
  func add(moving source: Buffer, in workspace: Workspace) {
    if buffer == nil { buffer = source } else { add(source, in: workspace) }
  }

  /// Removes and returns the gradient, which the caller may overwrite; nil if there is none.
  func take() -> Buffer? {
    defer { buffer = nil }
    return buffer
  }
}
