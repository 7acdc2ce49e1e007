import Kernels
import Metrics
import Tokenizers

/// A split, tokenized.
public struct EncodedDataset: Sendable {
  /// One example: what the model reads and what it should say.
  public struct Item: Sendable {
    /// Token ids, special tokens included.
    public let ids: [Int32]
    /// 0 for the first sentence, 1 for the second.
    public let typeIDs: [Int32]
    /// Nil where it is unknown.
    public let label: Label?
    /// Language models: the documents that the ids are, in order.
    public let documents: [Document]
    /// A question that is scored by the likelihood of its choices: which ids they are.
    public let choices: Choices?

    /// An example.
    public init(
      ids: [Int32], typeIDs: [Int32], label: Label?, documents: [Document] = [], choices: Choices? = nil
    ) {
      self.choices = choices
      self.ids = ids
      self.typeIDs = typeIDs
      self.label = label
      self.documents = documents
    }
  }

  /// The examples in file order.
  public let items: [Item]
  /// Rows of the file that were left out, each with its place: to be shown.
  public var leftOut: [String] = []

  /// A data set of given items.
  public init(items: [Item], leftOut: [String] = []) {
    self.items = items
    self.leftOut = leftOut
  }

  /// Tokenizes `examples` on the encoder's workers. A text without a token becomes the encoder's `emptyText`: a model
  /// needs one.
  public init(_ examples: [Example], encoder: TextEncoder) {
    let chunk = 256, emptyText = encoder.emptyText
    let chunks = encoder.pool.map((examples.count + chunk - 1) / chunk) { index, _ in
      var typesInUse = Set<[Int32]>()
      return examples[(index * chunk)..<min((index + 1) * chunk, examples.count)].map { example in
        let encoding = encoder.tokenizer.encode(example.text, pair: example.pair, maxLength: encoder.maxLength)
        let ids = encoding.ids.isEmpty ? emptyText : encoding.ids
        let types = encoding.ids.isEmpty ? emptyText.map { _ in 0 } : encoding.typeIDs
        // Texts of one length mostly have the same types: held once, they take half the memory.
        return Item(ids: ids, typeIDs: typesInUse.insert(types).memberAfterInsert, label: example.label)
      }
    }
    var items: [Item] = []
    items.reserveCapacity(examples.count)
    for chunk in chunks { items += chunk }
    self.items = items
  }
}
