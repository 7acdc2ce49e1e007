import Algorithms
import CKernels
import Foundation

/// How a number is stored.
public enum ElementType: String, Sendable, CaseIterable {
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"

  /// Bytes of one number.
  public var byteCount: Int { self == .float32 ? 4 : 2 }
}

/// A read-only tensor: a checkpoint's weight, memory-mapped in its type on disk, or an array.
///
/// Row-major. Matrices of linear maps have the shape [out, in], as in PyTorch.
public struct FrozenTensor: Sendable {
  /// Lengths of the dimensions, slowest first.
  public let shape: [Int]
  /// How the numbers are stored.
  public let elementType: ElementType
  private let storage: Storage
  private let byteOffset: Int

  private enum Storage: Sendable {
    case file(MappedFile)
    case resident(ResidentMemory)
  }
}

extension FrozenTensor {
  /// The tensor at `byteOffset` of `file`. The caller has checked that it lies inside the file.
  public init(file: MappedFile, byteOffset: Int, shape: [Int], elementType: ElementType) {
    self.init(shape: shape, elementType: elementType, storage: .file(file), byteOffset: byteOffset)
    precondition(byteOffset >= 0 && byteOffset + count * elementType.byteCount <= file.count)
  }

  /// A float32 tensor that holds `values`.
  public init(_ values: [Float], shape: [Int]) {
    precondition(values.count == shape.reduce(1, *))
    let memory = ResidentMemory(byteCount: 4 * values.count)
    memory.base.initializeMemory(as: Float.self, from: values, count: values.count)
    self.init(shape: shape, elementType: .float32, storage: .resident(memory), byteOffset: 0)
  }

  /// Tensors without numbers, for forward code that runs on shapes alone. They share address space and take memory only
  /// if they are read.
  public static func absent(_ tensors: [(shape: [Int], elementType: ElementType)]) -> [FrozenTensor] {
    let sizes = tensors.map { $0.shape.reduce(1, *) * $0.elementType.byteCount }
    let memory = ResidentMemory(byteCount: sizes.max() ?? 0)
    return tensors.map {
      FrozenTensor(shape: $0.shape, elementType: $0.elementType, storage: .resident(memory), byteOffset: 0)
    }
  }

  /// Some rows, in the same memory: a part of a fused map's weight [out, in] or bias [out].
  public func rows(_ range: Range<Int>) -> FrozenTensor {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows)
    return FrozenTensor(
      shape: [range.count] + shape.dropFirst(), elementType: elementType, storage: storage,
      byteOffset: byteOffset + range.lowerBound * columns * elementType.byteCount)
  }

  /// Whether products in bfloat16 can read the numbers in place.
  public var isBFloat16: Bool { elementType == .bfloat16 && Int(bitPattern: bytes) % 2 == 0 }

  /// The numbers rounded to bfloat16, or the tensor itself if `isBFloat16`.
  public func inBFloat16() -> FrozenTensor { isBFloat16 ? self : Self.bfloat16Copies([self])[0] }

  /// Copies of `tensors`, rounded to bfloat16, in one block of large pages, which products read faster than a file's
  /// small ones. The file's pages are released.
  public static func bfloat16Copies(_ tensors: [FrozenTensor]) -> [FrozenTensor] {
    let line = 64
    var offsets: [Int] = [], bytes = 0
    for tensor in tensors {
      offsets.append(bytes)
      bytes += (2 * tensor.count + line - 1) / line * line
    }
    let memory = ResidentMemory(byteCount: bytes)
    return zip(tensors, offsets).map { tensor, offset in
      tensor.round(to: (memory.base + offset).assumingMemoryBound(to: UInt16.self))
      tensor.forget(0..<tensor.count)
      return FrozenTensor(
        shape: tensor.shape, elementType: .bfloat16, storage: .resident(memory), byteOffset: offset)
    }
  }

  private func round(to bf16: UnsafeMutablePointer<UInt16>) {
    let piece = 1 << 14
    withUnsafeTemporaryAllocation(of: Float.self, capacity: piece) { floats in
      guard let scratch = floats.baseAddress else { return }
      for range in (0..<count).chunks(ofCount: piece) {
        widen(range: range, into: scratch)
        ck_narrow_bfloat16(bf16 + range.lowerBound, scratch, range.count)
      }
    }
  }

  /// The number of numbers.
  public var count: Int { shape.reduce(1, *) }
  /// The length of the first dimension.
  public var rows: Int { shape.first ?? 1 }
  /// Numbers in each row.
  public var columns: Int { shape.dropFirst().reduce(1, *) }

  /// The stored bytes, valid as long as the tensor. They may be unaligned.
  public var bytes: UnsafeRawPointer {
    switch storage {
    case .file(let file): file.bytes.baseAddress.unsafelyUnwrapped + byteOffset
    case .resident(let memory): UnsafeRawPointer(memory.base + byteOffset)
    }
  }

  /// Releases the memory of the numbers in `range` if they are mapped from a file. They are read again when needed.
  public func forget(_ range: Range<Int>) {
    guard case .file(let file) = storage else { return }
    let size = elementType.byteCount
    file.forget((byteOffset + range.lowerBound * size)..<(byteOffset + range.upperBound * size))
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
    let source = bytes + range.lowerBound * elementType.byteCount
    switch elementType {
    case .float32: UnsafeMutableRawPointer(destination).copyMemory(from: source, byteCount: range.count * 4)
    case .bfloat16: ck_widen_bfloat16(destination, source, range.count)
    case .float16: ck_widen_float16(destination, source, range.count)
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
