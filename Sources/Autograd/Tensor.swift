import Kernels

/// A float32 matrix [N, C] on a tape, and its gradient once something has flowed back to it.
public final class Tensor {
  /// How the rows form sequences.
  public let layout: PackedLayout
  /// C.
  public let columns: Int
  /// Whether an adapter or a head lies below, so that gradients are wanted.
  public let needsGradient: Bool
  let buffer: Buffer
  let slot: GradientSlot

  init(layout: PackedLayout, columns: Int, buffer: Buffer, needsGradient: Bool) {
    self.layout = layout
    self.columns = columns
    self.buffer = buffer
    self.needsGradient = needsGradient
    slot = GradientSlot(count: layout.rows * columns)
  }

  var gradientBuffer: Buffer? { slot.buffer }

  /// N.
  public var rows: Int { layout.rows }
  /// N · C.
  public var count: Int { rows * columns }
  /// A copy of the numbers, row by row.
  public var values: [Float] { Array(UnsafeBufferPointer(start: buffer.base, count: count)) }
  /// A copy of the gradient, or nil before anything flowed back.
  public var gradient: [Float]? {
    gradientBuffer.map { Array(UnsafeBufferPointer(start: $0.base, count: count)) }
  }

  var base: UnsafeMutablePointer<Float> { buffer.base }
  var view: MatrixView { MatrixView(buffer.base, stride: columns) }
  func row(_ index: Int) -> UnsafeMutablePointer<Float> { buffer.base + index * columns }

  /// Sets the gradient from outside, as the seed of a backward pass.
  public func seedGradient(_ values: [Float], in workspace: Workspace) {
    precondition(values.count == count)
    values.withUnsafeBufferPointer { if let base = $0.baseAddress { slot.add(base, in: workspace) } }
  }
}
