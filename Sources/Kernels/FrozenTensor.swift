import Algorithms
import CKernels
import Foundation

/// A read-only tensor: a checkpoint's weight, memory-mapped in its type on disk, or an array.
///
/// Row-major. Matrices of linear maps have the shape [out, in], as in PyTorch.
public struct FrozenTensor: Sendable {
  /// Lengths of the dimensions, slowest first.
  public let shape: [Int]
  /// How the numbers are stored. Rows are whole blocks, and so are ranges of numbers wherever they are asked for.
  public let elementType: ElementType
  /// The order of the stored rows; nil if it is their own.
  public let rowOrder: RowOrder?
  private let storage: Storage
  /// Where the first row is, or with `rowOrder` the first row of the whole tensor.
  private let byteOffset: Int

  private enum Storage: Sendable {
    case file(MappedFile)
    case resident(ResidentMemory)
  }
}

extension FrozenTensor {
  /// The tensor at `byteOffset` of `file`. The caller has checked that it lies inside the file.
  public init(
    file: MappedFile, byteOffset: Int, shape: [Int], elementType: ElementType, rowOrder: RowOrder? = nil
  ) {
    self.init(
      shape: shape, elementType: elementType, rowOrder: rowOrder, storage: .file(file), byteOffset: byteOffset)
    precondition(byteOffset >= 0 && byteOffset + elementType.byteCount(of: count) <= file.count)
    precondition((shape.count > 1 ? columns : count) % elementType.blockSize == 0)
    precondition(rowOrder.map { rows % $0.headSize == 0 } ?? true)
  }

  /// A float32 tensor that holds `values`.
  public init(_ values: [Float], shape: [Int]) {
    precondition(values.count == shape.reduce(1, *))
    let memory = ResidentMemory(byteCount: 4 * values.count)
    memory.base.initializeMemory(as: Float.self, from: values, count: values.count)
    self.init(shape: shape, elementType: .float32, rowOrder: nil, storage: .resident(memory), byteOffset: 0)
  }

  /// Tensors without numbers, for forward code that runs on shapes alone. They share address space and take memory only
  /// if they are read.
  public static func absent(_ tensors: [(shape: [Int], elementType: ElementType)]) -> [FrozenTensor] {
    let sizes = tensors.map { $0.elementType.byteCount(of: $0.shape.reduce(1, *)) }
    let memory = ResidentMemory(byteCount: sizes.max() ?? 0)
    return tensors.map {
      FrozenTensor(
        shape: $0.shape, elementType: $0.elementType, rowOrder: nil, storage: .resident(memory), byteOffset: 0)
    }
  }

  /// Some rows, in the same memory: a part of a fused map's weight [out, in] or bias [out].
  public func rows(_ range: Range<Int>) -> FrozenTensor {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    let start = rowOrder == nil ? elementType.byteCount(of: range.lowerBound * columns) : 0
    return FrozenTensor(
      shape: [range.count] + shape.dropFirst(), elementType: elementType,
      rowOrder: rowOrder?.dropping(range.lowerBound), storage: storage, byteOffset: byteOffset + start)
  }

  /// Whether products in `precision` can read the numbers in place.
  public func isStored(in precision: Precision) -> Bool {
    guard rowOrder == nil else { return false }
    switch precision {
    case .float32: return elementType == .float32 && Int(bitPattern: bytes) % 4 == 0
    case .bfloat16: return elementType == .bfloat16 && Int(bitPattern: bytes) % 2 == 0
    }
  }

  /// The numbers rounded to bfloat16, or the tensor itself if it is stored so.
  public func inBFloat16() -> FrozenTensor {
    isStored(in: .bfloat16) ? self : Self.copies(of: [self], in: .bfloat16)[0]
  }

  /// Copies of `tensors`, widened or rounded to `precision`, in one block of large pages, which products read faster than
  /// a file's small ones. The file's pages are released.
  public static func copies(of tensors: [FrozenTensor], in precision: Precision) -> [FrozenTensor] {
    let line = 64
    var offsets: [Int] = [], bytes = 0
    for tensor in tensors {
      offsets.append(bytes)
      bytes += (precision.byteCount * tensor.count + line - 1) / line * line
    }
    let memory = ResidentMemory(byteCount: bytes)
    return zip(tensors, offsets).map { tensor, offset in
      // In pieces, so that a large tensor's pages are not all there beside the copy.
      for range in (0..<tensor.count).chunks(ofCount: 1 << 20) {
        tensor.write(range, in: precision, to: memory.base + offset + precision.byteCount * range.lowerBound)
        tensor.forget(range)
      }
      return FrozenTensor(
        shape: tensor.shape, elementType: precision == .float32 ? .float32 : .bfloat16, rowOrder: nil,
        storage: .resident(memory), byteOffset: offset)
    }
  }

  /// The number of numbers.
  public var count: Int { shape.reduce(1, *) }
  /// The length of the first dimension.
  public var rows: Int { shape.first ?? 1 }
  /// Numbers in each row.
  public var columns: Int { shape.dropFirst().reduce(1, *) }

  /// The stored bytes, valid as long as the tensor. They may be unaligned. With `rowOrder` they are those of the whole
  /// tensor.
  public var bytes: UnsafeRawPointer {
    switch storage {
    case .file(let file): file.bytes.baseAddress.unsafelyUnwrapped + byteOffset
    case .resident(let memory): UnsafeRawPointer(memory.base + byteOffset)
    }
  }

  /// Releases the memory of the numbers in `range` if they are mapped from a file. They are read again when needed.
  public func forget(_ range: Range<Int>) {
    guard case .file(let file) = storage else { return }
    var range = range
    if let rowOrder {
      let rows = rowOrder.stored(range.lowerBound / columns..<(range.upperBound + columns - 1) / columns)
      range = rows.lowerBound * columns..<rows.upperBound * columns
    }
    let first = byteOffset + elementType.byteCount(of: range.lowerBound)
    file.forget(first..<byteOffset + elementType.byteCount(of: range.upperBound))
  }

  /// All numbers, widened to float32.
  public func floats() -> [Float] {
    // Initialising an array of no numbers would write its count into the empty array that all threads share.
    guard count > 0 else { return [] }
    return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      if let base = buffer.baseAddress { widen(range: 0..<count, into: base) }
      initialized = count
    }
  }

  /// Writes the numbers of `range` as float32 to `destination`.
  public func widen(range: Range<Int>, into destination: UnsafeMutablePointer<Float>) {
    write(range, in: .float32, to: UnsafeMutableRawPointer(destination))
  }

  /// Writes some columns of some rows, widened or rounded to `precision`, as a matrix without gaps.
  public func write(
    rows: Range<Int>, columns part: Range<Int>, in precision: Precision, to destination: UnsafeMutableRawPointer
  ) {
    guard part.count < columns else {
      return write(rows.lowerBound * columns..<rows.upperBound * columns, in: precision, to: destination)
    }
    for (index, row) in rows.enumerated() {
      let first = row * columns
      write(
        first + part.lowerBound..<first + part.upperBound, in: precision,
        to: destination + index * part.count * precision.byteCount)
    }
  }

  private func write(_ range: Range<Int>, in precision: Precision, to destination: UnsafeMutableRawPointer) {
    guard let rowOrder else { return convert(range.lowerBound, range.count, precision, destination) }
    var position = range.lowerBound
    while position < range.upperBound {
      let row = position / columns, end = min((row + 1) * columns, range.upperBound)
      let target = destination + precision.byteCount * (position - range.lowerBound)
      convert(rowOrder.stored(row) * columns + position - row * columns, end - position, precision, target)
      position = end
    }
  }

  /// Converts `count` numbers from the stored place `start` on.
  private func convert(_ start: Int, _ count: Int, _ precision: Precision, _ destination: UnsafeMutableRawPointer) {
    let source = bytes + elementType.byteCount(of: start)
    switch precision {
    case .float32: ck_widen(elementType.stored, destination.assumingMemoryBound(to: Float.self), source, count)
    case .bfloat16: ck_narrow(elementType.stored, destination.assumingMemoryBound(to: UInt16.self), source, count)
    }
  }
}

/// A block of memory, in large pages if the system has them. Its creator fills it before sharing it.
final class ResidentMemory: Sendable {
  nonisolated(unsafe) let base: UnsafeMutableRawPointer
  private static let largePage = 1 << 21

  init(byteCount: Int) {
    // A small block would waste most of its last large page.
    let isLarge = byteCount >= 8 * Self.largePage
    base = .allocate(byteCount: max(64, byteCount), alignment: isLarge ? Self.largePage : 64)
    #if os(Linux)
      if isLarge { madvise(base, byteCount, 14) }  // MADV_HUGEPAGE
    #endif
  }

  deinit { base.deallocate() }
}
