/// The type of activations and frozen weights while computing. Sums, norms, losses and everything trained are always
/// float32.
public enum Precision: String, Sendable, Hashable, CaseIterable {
  case float32
  case bfloat16

  /// Bytes of one number.
  public var byteCount: Int { self == .float32 ? 4 : 2 }
}
