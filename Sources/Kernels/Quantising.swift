import CKernels

extension ElementType {
  /// The types that numbers can be written in.
  public static let writable = allCases.filter { $0 != .iq4_nl }

  /// Writes numbers, whole blocks, in this type: those that stand alone are rounded, blocks of 32 are made as ggml makes
  /// them, and for blocks of 256 scales are found by least squares. The type is one of `writable`.
  public func write(_ numbers: UnsafeBufferPointer<Float>, to bytes: UnsafeMutableRawPointer) {
    guard let base = numbers.baseAddress else { return }
    precondition(numbers.count % blockSize == 0 && ck_quantise(stored, bytes, base, numbers.count))
  }

  /// Widens numbers of this type, whole blocks, to float32.
  public func widen(_ bytes: UnsafeRawPointer, count: Int, into numbers: UnsafeMutablePointer<Float>) {
    ck_widen(stored, numbers, bytes, count)
  }

  /// The type for rows of `columns` numbers: this one, or if they are no multiple of its block the next finer one that
  /// fits, as llama-quantize chooses it.
  public func fitting(columns: Int) -> ElementType {
    if columns % blockSize == 0 { return self }
    let finer: ElementType =
      switch self {
      case .q4_k: .q5_0
      case .q5_k: .q5_1
      case .q6_k: .q8_0
      default: .float16
      }
    return finer.fitting(columns: columns)
  }
}
