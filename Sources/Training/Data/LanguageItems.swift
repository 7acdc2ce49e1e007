import Tasks

extension EncodedDataset.Item {
  /// A document, or a part of one, inside an item: a token sees no other.
  public struct Document: Sendable, Equatable {
    /// Tokens.
    public let length: Int
    /// The first token whose prediction counts; never the document's first.
    public let firstTarget: Int

    /// How many predictions count.
    public var targetCount: Int { max(0, length - firstTarget) }
  }

  /// How many predictions of a language model's item count.
  public var targetCount: Int { documents.reduce(0) { $0 + $1.targetCount } }

  /// A language model's item of several documents, all of whose tokens but the first count.
  public init(documents: [[Int32]]) {
    self.init(
      ids: documents.flatMap { $0 }, typeIDs: [], label: nil,
      documents: documents.map { Document(length: $0.count, firstTarget: 1) })
  }

  /// A block of packed documents.
  init(block: TokenBlock) {
    self.init(
      ids: block.tokens, typeIDs: [], label: nil,
      documents: block.segments.map { Document(length: $0.count, firstTarget: 1) })
  }

  /// A prompt and the answer to be learnt.
  public init(prompt: [Int32], answer: [Int32]) {
    self.init(
      ids: prompt + answer, typeIDs: [], label: nil,
      documents: [Document(length: prompt.count + answer.count, firstTarget: max(1, prompt.count))])
  }
}
