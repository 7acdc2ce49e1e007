import CKernels
import Kernels

/// How the rows of a tensor form sequences: one after the other, without padding.
public final class PackedLayout: Sendable {
  /// The first row of each sequence, then the number of rows: B + 1 numbers.
  public let offsets: [Int]
  /// Each sequence's number in the optimiser step, which selects its dropout masks.
  public let examples: [Int]

  /// Whether tensors have memory for the rows that products read beyond the last one.
  public let isPadded: Bool

  /// A layout of sequences with the given lengths. Without padding its tensors are for `linearOfFew` alone: clearing rows that
  /// nothing reads would take longer than a token's own.
  public init(lengths: [Int], examples: [Int], isPadded: Bool = true) {
    precondition(lengths.count == examples.count)
    self.isPadded = isPadded
    var offsets = [0]
    for length in lengths { offsets.append(offsets[offsets.count - 1] + length) }
    self.offsets = offsets
    self.examples = examples
  }

  /// B.
  public var sequences: Int { examples.count }
  /// N: the tokens of all sequences.
  public var rows: Int { offsets[offsets.count - 1] }
  /// N rounded up for matrix products.
  public var paddedRows: Int { Products.padded(rows) }
  /// The rows that a tensor has memory for. Those beyond N are zero, since products read up to `paddedRows`, and
  /// products inside a sequence up to 15 rows beyond its end.
  public var allocatedRows: Int {
    guard isPadded else { return rows }
    return (rows + Products.rowMultiple - 1) / Products.rowMultiple * Products.rowMultiple + Products.rowMultiple
  }
  /// The rows of sequence `index`.
  public func range(_ index: Int) -> Range<Int> { offsets[index]..<offsets[index + 1] }
  /// The rows of the longest sequence.
  public var longest: Int { (0..<sequences).map { range($0).count }.max() ?? 0 }
  /// The same sequences, one row each.
  public func oneRowEach() -> PackedLayout {
    PackedLayout(lengths: Array(repeating: 1, count: sequences), examples: examples, isPadded: isPadded)
  }
}

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
