/// How the frozen matrices of a model are held in memory.
public enum WeightHolding: String, Sendable, CaseIterable {
  /// In the precision of products: as they are in their file if they are stored so, otherwise as copies, made once.
  case resident
  /// As they are in their file, whatever their type: products widen a part at a time.
  case stored
}
