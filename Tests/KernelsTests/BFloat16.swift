import CKernels

/// The bits of `x` rounded to bfloat16, by the definition: nearest, ties to even.
func bfloat16(_ x: Float) -> UInt16 {
  if x.isNaN { return UInt16(x.bitPattern >> 16) | 0x40 }
  let bits = x.bitPattern, low = bits & 0xFFFF, high = UInt16(bits >> 16)
  return low > 0x8000 || low == 0x8000 && high & 1 == 1 ? high + 1 : high
}

/// The number whose bits in bfloat16 these are.
func widened(_ bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }
