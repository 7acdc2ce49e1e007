import CKernels
import Kernels

/// Holds a tensor's gradient, apart from its value: an operation that keeps only the slot of its input lets the
/// input's memory go. The gradient has the tensor's precision and layout.
final class GradientSlot {
  let shape: TensorShape
  private(set) var buffer: Buffer?

  init(_ shape: TensorShape) { self.shape = shape }

  /// Numbers in the tensor.
  var count: Int { shape.count }

  /// The gradient as a matrix; nil where none has flowed back.
  var operand: Operand? { buffer.map(shape.operand) }

  /// The gradient to add to. Where `isFresh` it holds nothing yet but the zeros after the last row, so the first
  /// writer overwrites.
  func accumulator(in workspace: Workspace) -> (buffer: Buffer, isFresh: Bool) {
    if let buffer { return (buffer, false) }
    let fresh = shape.allocate(in: workspace)
    buffer = fresh
    return (fresh, true)
  }

  /// The gradient to add to, holding zeros where nothing has flowed back yet.
  func zeroedAccumulator(in workspace: Workspace) -> Buffer {
    let (buffer, isFresh) = accumulator(in: workspace)
    if isFresh { buffer.clear() }
    return buffer
  }

  /// Adds `source`, numbers of the same shape and precision, to the gradient.
  func add(_ source: Buffer, in workspace: Workspace) {
    let (target, isFresh) = accumulator(in: workspace)
    switch shape.precision {
    case .float32:
      if isFresh {
        target.base.update(from: source.base, count: count)
      } else {
        addFloats(target.base, source.base, count)
      }
    case .bfloat16:
      if isFresh {
        target.bf16.update(from: source.bf16, count: count)
      } else {
        ck_bf16_add(target.bf16, source.bf16, count)
      }
    }
  }

  /// Adds `source`, which the shape allocated, taking its memory over where there is none yet.
  func add(moving source: Buffer, in workspace: Workspace) {
    if buffer == nil { buffer = source } else { add(source, in: workspace) }
  }

  /// The gradient that has flowed back, handed over to be overwritten; nil where none has.
  func take() -> Buffer? {
    defer { buffer = nil }
    return buffer
  }
}
