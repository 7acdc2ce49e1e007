import Kernels

extension FrozenTensor {
  /// Where the first NaN or infinite number stands, row by row; nil where all are finite.
  ///
  /// A number is not finite exactly where all bits of its exponent are set. Blocks are scanned for the largest
  /// bit pattern without sign, a loop that compilers vectorise.
  public func firstNonFinite() -> Int? {
    withExtendedLifetime(self) {
      switch elementType {
      case .float32: first(of: UInt32.self, atLeast: 0x7F80_0000)
      case .float16: first(of: UInt16.self, atLeast: 0x7C00)
      case .bfloat16: first(of: UInt16.self, atLeast: 0x7F80)
      }
    }
  }

  /// The first number whose bits without the sign are `bound` or more.
  private func first<Bits: FixedWidthInteger & UnsignedInteger & BitwiseCopyable>(
    of type: Bits.Type, atLeast bound: Bits
  ) -> Int? {
    let base = bytes, count = count, size = MemoryLayout<Bits>.size, block = 4096
    var start = 0
    while start < count {
      let end = min(start + block, count)
      var largest: Bits = 0
      for i in start..<end {
        largest = max(largest, base.loadUnaligned(fromByteOffset: i * size, as: type) & (Bits.max >> 1))
      }
      if largest >= bound {
        return (start..<end).first {
          base.loadUnaligned(fromByteOffset: $0 * size, as: type) & (Bits.max >> 1) >= bound
        }
      }
      start = end
    }
    return nil
  }
}
