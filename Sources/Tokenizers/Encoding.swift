/// An encoded text, or pair of texts.
public struct Encoding: Sendable, Equatable {
  /// Token ids, special tokens included.
  public var ids: [Int32]
  /// For every token 0, or 1 in the second text if the model distinguishes the two.
  public var typeIDs: [Int32]

  /// An encoding. Both lists have the same length.
  public init(ids: [Int32], typeIDs: [Int32]) {
    self.ids = ids
    self.typeIDs = typeIDs
  }
}
