import Kernels

extension EncodedDataset {
  /// Packs texts end to end into blocks of `max_seq_length` tokens and keeps the first `limit`. A record's text ends
  /// with the token for that; a plain text, which is one document, does not.
  public init(_ texts: TextDocuments, limit: Int = .max, encoder: TextEncoder) throws {
    let ending = texts.areRecords ? [try encoder.end()] : []
    guard encoder.maxLength > 1 else { throw TaskError.noRoomToPredict(maxLength: encoder.maxLength) }
    let documents = encoder.pool.map(each: texts.documents) { [tokenizer = encoder.tokenizer] document in
      tokenizer.encode(document.text).ids + ending
    }
    self.init(
      items: packedBlocks(documents, length: encoder.maxLength).prefix(limit).map(Item.init(block:)),
      leftOut: texts.skipped.map(\.description))
  }
}
