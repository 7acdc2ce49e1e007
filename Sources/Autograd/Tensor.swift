import CKernels
import Kernels

/// Rows, columns and precision of a tensor.
struct TensorShape {
  let layout: PackedLayout
  let columns: Int
  let precision: Precision

  /// N · C.
  var count: Int { layout.rows * columns }

  /// Memory with undefined contents, but zeros after the last row.
  func allocate(in workspace: Workspace) -> Buffer {
    let buffer = workspace.allocate(layout.allocatedRows * columns, precision)
    clearPadding(buffer)
    return buffer
  }

  /// Sets the rows after the last one to zero.
  func clearPadding(_ buffer: Buffer) {
    guard buffer.computes else { return }
    buffer.clear(at: count, layout.allocatedRows * columns - count, precision)
  }

  func operand(_ buffer: Buffer) -> Operand {
    Operand(UnsafeMutableRawPointer(buffer.base), precision, stride: columns)
  }
}

/// The input of a product: its numbers in the product's precision, and the slot of its gradient.
struct ProductSource {
  let operand: Operand
  /// Keeps the memory of the numbers.
  let owner: Buffer?
  let layout: PackedLayout
  let columns: Int
  let slot: GradientSlot
  let needsGradient: Bool
}

/// A matrix [N, C] on a tape, with its gradient.
public final class Tensor {
  let shape: TensorShape
  /// Whether its gradient is needed, because something below is trained.
  public let needsGradient: Bool
  let buffer: Buffer
  let slot: GradientSlot
  /// The bfloat16 copy of a float32 tensor, made when a product first needs it.
  private(set) var image: Buffer?

  init(_ shape: TensorShape, buffer: Buffer, image: Buffer? = nil, needsGradient: Bool) {
    self.shape = shape
    self.buffer = buffer
    self.image = image
    self.needsGradient = needsGradient
    slot = GradientSlot(shape)
  }

  /// How the rows form sequences.
  public var layout: PackedLayout { shape.layout }
  /// C.
  public var columns: Int { shape.columns }
  /// The type of the numbers.
  public var precision: Precision { shape.precision }
  /// N.
  public var rows: Int { layout.rows }
  /// N · C.
  public var count: Int { shape.count }
  /// A copy of the numbers, row by row.
  public var values: [Float] { Self.floats(buffer, shape) }
  /// A copy of the gradient, or nil if there is none yet.
  public var gradient: [Float]? { slot.buffer.map { Self.floats($0, shape) } }

  /// The numbers of a float32 tensor.
  var base: UnsafeMutablePointer<Float> {
    precondition(precision == .float32)
    return buffer.base
  }
  /// The numbers of a bfloat16 tensor.
  var bf16: UnsafeMutablePointer<UInt16> {
    precondition(precision == .bfloat16)
    return buffer.bf16
  }
  func row(_ index: Int) -> UnsafeMutablePointer<Float> { base + index * columns }

  /// The numbers in `precision`. They are rounded once, for all products.
  func operand(_ precision: Precision, in workspace: Workspace) -> Operand {
    if precision == self.precision { return shape.operand(buffer) }
    precondition(precision == .bfloat16, "a bfloat16 tensor has no float32 numbers")
    let rounded = TensorShape(layout: layout, columns: columns, precision: .bfloat16)
    if let image { return rounded.operand(image) }
    let made = rounded.allocate(in: workspace)
    if workspace.computes { ck_narrow_bfloat16(made.bf16, buffer.base, count) }
    image = made
    return rounded.operand(made)
  }

  func clearPadding() { shape.clearPadding(buffer) }

  /// What the derivatives of a product keep of this tensor: only the numbers that the product has read.
  func source(_ precision: Precision, in workspace: Workspace) -> ProductSource {
    let operand = operand(precision, in: workspace)
    return ProductSource(
      operand: operand, owner: precision == self.precision ? buffer : image, layout: layout, columns: columns,
      slot: slot, needsGradient: needsGradient)
  }

  /// Sets the gradient that a backward pass starts from.
  public func seedGradient(_ values: [Float], in workspace: Workspace) {
    precondition(values.count == count)
    let seed = shape.allocate(in: workspace)
    seed.store(values, at: 0, count, precision)
    slot.add(moving: seed, in: workspace)
  }

  private static func floats(_ buffer: Buffer, _ shape: TensorShape) -> [Float] {
    [Float](unsafeUninitializedCapacity: shape.count) { floats, initialized in
      if let base = floats.baseAddress { buffer.load(at: 0, shape.count, shape.precision, into: base) }
      initialized = shape.count
    }
  }
}

extension Buffer {
  /// The block as a float32 matrix.
  func view(_ columns: Int) -> MatrixView { MatrixView(base, stride: columns) }

  /// The address of number `index`.
  func address(_ index: Int, _ precision: Precision) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(base) + index * precision.byteCount
  }

  /// Writes `count` floats, rounded to `precision`, from number `index` on.
  func store(_ floats: UnsafePointer<Float>, at index: Int, _ count: Int, _ precision: Precision) {
    switch precision {
    case .float32: (base + index).update(from: floats, count: count)
    case .bfloat16: ck_narrow_bfloat16(bf16 + index, floats, count)
    }
  }

  /// Copies `count` numbers from number `index` on, widened to float32.
  func load(at index: Int, _ count: Int, _ precision: Precision, into floats: UnsafeMutablePointer<Float>) {
    switch precision {
    case .float32: floats.update(from: base + index, count: count)
    case .bfloat16: ck_widen_bfloat16(floats, bf16 + index, count)
    }
  }

  /// Adds `count` numbers of `other` to those from number `index` on.
  func add(_ other: Buffer, from start: Int = 0, at index: Int = 0, _ count: Int, _ precision: Precision) {
    switch precision {
    case .float32: ck_add(base + index, other.base + start, count)
    case .bfloat16: ck_bf16_add(bf16 + index, other.bf16 + start, count)
    }
  }

  /// Sets `count` numbers from number `index` on to zero.
  func clear(at index: Int, _ count: Int, _ precision: Precision) {
    address(index, precision).initializeMemory(as: UInt8.self, repeating: 0, count: count * precision.byteCount)
  }
}
