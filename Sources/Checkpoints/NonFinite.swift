import Algorithms
import CKernels
import Foundation
import Kernels

extension FrozenTensor {
  /// The index of the first NaN or infinity; nil if all numbers are finite.
  ///
  /// A number is finite unless all bits of its exponent are set, so blocks are scanned for the largest bit pattern without
  /// its sign. Scanned pages are released, since few rows of an embedding may be read again.
  public func firstNonFinite() -> Int? {
    let bound: UInt32 =
      switch elementType {
      case .float32: 0x7F80_0000
      case .float16: 0x7C00
      case .bfloat16: 0x7F80
      }
    return withExtendedLifetime(self) {
      let size = elementType.byteCount
      for block in (0..<count).chunks(ofCount: 1 << 16) {
        if largest(bytes + block.lowerBound * size, block.count) >= bound {
          return block.first { largest(bytes + $0 * size, 1) >= bound }
        }
        forget(block)
      }
      return nil
    }
  }

  /// Whether `other` has the same shape and the same numbers. Compared pages are released.
  public func hasSameNumbers(as other: FrozenTensor) -> Bool {
    guard shape == other.shape else { return false }
    return withExtendedLifetime((self, other)) {
      for block in (0..<count).chunks(ofCount: 1 << 16) {
        let isSame =
          elementType == other.elementType
          ? memcmp(
            bytes + block.lowerBound * elementType.byteCount, other.bytes + block.lowerBound * elementType.byteCount,
            block.count * elementType.byteCount) == 0 : widened(block) == other.widened(block)
        if !isSame { return false }
        forget(block)
        other.forget(block)
      }
      return true
    }
  }

  private func widened(_ range: Range<Int>) -> [Float] {
    [Float](unsafeUninitializedCapacity: range.count) { buffer, count in
      if let base = buffer.baseAddress { widen(range: range, into: base) }
      count = range.count
    }
  }

  private func largest(_ numbers: UnsafeRawPointer, _ count: Int) -> UInt32 {
    elementType == .float32 ? ck_largest_bits32(numbers, count) : UInt32(ck_largest_bits16(numbers, count))
  }
}
