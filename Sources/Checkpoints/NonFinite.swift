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
    guard rowOrder == nil, !elementType.isQuantised else { return firstNonFiniteWidened() }
    let bound: UInt32 =
      switch elementType {
      case .float16: 0x7C00
      case .bfloat16: 0x7F80
      default: Self.infinity
      }
    return withExtendedLifetime(self) {
      let size = elementType.byteCount(of: 1)
      for block in (0..<count).chunks(ofCount: 1 << 16) {
        if largest(bytes + block.lowerBound * size, block.count) >= bound {
          return block.first { largest(bytes + $0 * size, 1) >= bound }
        }
        forget(block)
      }
      return nil
    }
  }

  /// The bits of the infinity of float32.
  private static var infinity: UInt32 { 0x7F80_0000 }

  /// The same where a number is more than its bits: it has a scale that may not be finite.
  private func firstNonFiniteWidened() -> Int? {
    let piece = 1 << 14
    return withUnsafeTemporaryAllocation(of: Float.self, capacity: piece) { numbers in
      guard let base = numbers.baseAddress else { return nil }
      // Pages are released in whole, so pieces of them are not.
      for block in (0..<count).chunks(ofCount: 1 << 20) {
        for range in block.chunks(ofCount: piece) {
          widen(range: range, into: base)
          if ck_largest_bits32(base, range.count) >= Self.infinity {
            return range.first { !base[$0 - range.lowerBound].isFinite }
          }
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
        let start = elementType.byteCount(of: block.lowerBound)
        let isSame =
          elementType == other.elementType && rowOrder == nil && other.rowOrder == nil
          ? memcmp(bytes + start, other.bytes + start, elementType.byteCount(of: block.count)) == 0
          : widened(block) == other.widened(block)
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
