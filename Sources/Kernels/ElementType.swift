import CKernels

/// How numbers are stored: one by one, or in blocks of some bits a number with shared scales, as GGUF files have them.
///
/// A row of the table `format` is all that there is to a type, beside its kernel in `CKernels/blocks.c`.
public enum ElementType: String, Sendable, CaseIterable {
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case q8_0 = "Q8_0"
  case q4_0 = "Q4_0"
  case q4_1 = "Q4_1"
  case q5_0 = "Q5_0"
  case q5_1 = "Q5_1"
  case q4_k = "Q4_K"
  case q5_k = "Q5_K"
  case q6_k = "Q6_K"
  case iq4_nl = "IQ4_NL"

  /// The type's number in GGUF files and its number among the kernels.
  private var format: (gguf: UInt32, kernel: ck_stored) {
    switch self {
    case .float32: (0, ck_stored_float32)
    case .float16: (1, ck_stored_float16)
    case .bfloat16: (30, ck_stored_bfloat16)
    case .q8_0: (8, ck_stored_q8_0)
    case .q4_0: (2, ck_stored_q4_0)
    case .q4_1: (3, ck_stored_q4_1)
    case .q5_0: (6, ck_stored_q5_0)
    case .q5_1: (7, ck_stored_q5_1)
    case .q4_k: (12, ck_stored_q4_k)
    case .q5_k: (13, ck_stored_q5_k)
    case .q6_k: (14, ck_stored_q6_k)
    case .iq4_nl: (20, ck_stored_iq4_nl)
    }
  }

  /// The type that GGUF files call `number`; nil if it is not supported.
  public init?(gguf number: UInt32) {
    guard let type = Self.allCases.first(where: { $0.ggufNumber == number }) else { return nil }
    self = type
  }

  /// The type's number in GGUF files.
  public var ggufNumber: UInt32 { format.gguf }

  /// The type as the kernels call it.
  public var stored: ck_stored { format.kernel }

  /// How many numbers a block has; 1 for numbers that stand alone.
  public var blockSize: Int { ck_format(stored).block }

  /// Bytes of a block.
  public var blockBytes: Int { ck_format(stored).bytes }

  /// Whether numbers share scales.
  public var isQuantised: Bool { blockSize > 1 }

  /// Bytes of `count` numbers, whole blocks.
  public func byteCount(of count: Int) -> Int { count / blockSize * blockBytes }
}
