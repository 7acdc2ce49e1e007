import CKernels
import Kernels

extension FrozenTensor {
  /// Where the first NaN or infinite number stands, row by row; nil where all are finite.
  ///
  /// A number is not finite exactly where all bits of its exponent are set: blocks are scanned for the largest bit
  /// pattern without sign. What was scanned need not stay in memory: of an embedding, few rows may be read again.
  public func firstNonFinite() -> Int? {
    let bound: UInt32 =
      switch elementType {
      case .float32: 0x7F80_0000
      case .float16: 0x7C00
      case .bfloat16: 0x7F80
      }
    return withExtendedLifetime(self) {
      let size = elementType.byteCount, block = 1 << 16
      for start in stride(from: 0, to: count, by: block) {
        let length = min(block, count - start)
        if largest(bytes + start * size, length) < bound {
          forget(start..<(start + length))
          continue
        }
        return (start..<(start + length)).first { largest(bytes + $0 * size, 1) >= bound }
      }
      return nil
    }
  }

  private func largest(_ numbers: UnsafeRawPointer, _ count: Int) -> UInt32 {
    elementType == .float32 ? ck_largest_bits32(numbers, count) : UInt32(ck_largest_bits16(numbers, count))
  }
}
