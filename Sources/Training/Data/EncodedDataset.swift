import Tasks
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
  public internal(set) var leftOut: [String] = []

  /// A data set of given items.
  public init(items: [Item], leftOut: [String] = []) {
    self.items = items
    self.leftOut = leftOut
  }

  /// Tokenizes `examples` on the pool's workers. A text without a token becomes `emptyText`: a model needs one.
  public init(
    _ examples: [Example], tokenizer: Tokenizer, maxLength: Int, emptyText: [Int32] = [], pool: WorkerPool
  ) {
    let chunk = 256
    let chunks = pool.map((examples.count + chunk - 1) / chunk) { index, _ in
      var typesInUse = Set<[Int32]>()
      return examples[(index * chunk)..<min((index + 1) * chunk, examples.count)].map { example in
        let encoding = tokenizer.encode(example.text, pair: example.pair, maxLength: maxLength)
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

/// Which examples each optimiser step takes.
public struct BatchPlan: Sendable {
  /// Examples in an epoch.
  public let examples: Int
  /// Examples of one step: batch size times accumulation. The last step of an epoch may have fewer.
  public let stepSize: Int

  /// `gradient_accumulation_steps` micro-batches make one step. Loss and gradient are means over all its examples, so
  /// how it was cut into micro-batches does not matter.
  public init(examples: Int, batchSize: Int, accumulation: Int) {
    self.examples = examples
    stepSize = batchSize * accumulation
  }

  /// Optimiser steps in an epoch.
  public var stepsPerEpoch: Int { (examples + stepSize - 1) / stepSize }

  /// All steps of a run: `max_steps` if positive, else ⌈epochs · steps per epoch⌉.
  public func totalSteps(epochs: Double, maxSteps: Int) -> Int {
    maxSteps > 0 ? maxSteps : max(1, Int((epochs * Double(stepsPerEpoch)).rounded(.up)))
  }

  /// The examples of step `step` (from 0), given its epoch's order.
  public func batch(step: Int, order: [Int]) -> ArraySlice<Int> {
    let start = step % stepsPerEpoch * stepSize
    return order[start..<min(start + stepSize, examples)]
  }
}
