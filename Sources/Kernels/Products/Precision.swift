/// How activations and frozen weights are held while computing. Sums, norms, losses, and everything that is trained
/// are float32 in both.
public enum Precision: String, Sendable, Hashable, CaseIterable {
  case float32
  case bfloat16

  /// Bytes of one number.
  public var byteCount: Int { self == .float32 ? 4 : 2 }
}
