/// What a text, or a pair of texts, is to a model.
public struct Encoding: Sendable, Equatable {
  /// Token ids, special tokens included.
  public var ids: [Int32]
  /// For every token the number that tells the second text from the first, where the model knows such.
  public var typeIDs: [Int32]

  /// An encoding; both lists are of one length.
  public init(ids: [Int32], typeIDs: [Int32]) {
    self.ids = ids
    self.typeIDs = typeIDs
  }
}
