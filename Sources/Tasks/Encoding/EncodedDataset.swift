import Checkpoints
import Diagnostics
import Kernels
import Metrics
import Models
import Tokenizers

/// A split, tokenized.
public struct EncodedDataset: Sendable {
  /// One example: what the model reads and what it should say.
  public struct Item: Sendable {
    /// Token ids, special tokens included.
    public let ids: [Int32]
    /// 0 for the first sentence, 1 for the second; none for language models.
    public let typeIDs: [Int32]
    /// Nil where it is unknown.
    public let label: Label?
    /// Language models: the documents that the ids are, in order.
    public let documents: [Document]
    /// A question that is scored by the likelihood of its choices: which ids they are.
    public let choices: Choices?
    /// A sentence whose words are tagged: which ids stand for them.
    public let words: Words?
    /// How many tokens of a text or pair were cut off its end.
    public internal(set) var cutTokens = 0

    /// An example.
    public init(
      ids: [Int32], typeIDs: [Int32] = [], label: Label? = nil, documents: [Document] = [], choices: Choices? = nil,
      words: Words? = nil
    ) {
      (self.ids, self.typeIDs, self.label) = (ids, typeIDs, label)
      (self.documents, self.choices, self.words) = (documents, choices, words)
    }
  }

  /// Whether all labels are known.
  public var isLabelled: Bool { items.allSatisfy { $0.label != nil || $0.words?.tags != nil } }

  /// The examples in file order.
  public let items: [Item]
  /// Rows of the file that were left out, each with its place: to be shown.
  public var leftOut: [String] = []

  /// A data set of given items.
  public init(items: [Item], leftOut: [String] = []) { (self.items, self.leftOut) = (items, leftOut) }

  /// Tokenizes `examples` on the encoder's workers. A text without a token becomes the encoder's `emptyText`: a model
  /// needs one.
  public init(_ examples: [Example], encoder: TextEncoder) {
    let chunk = 256, emptyText = encoder.emptyText
    let chunks = encoder.pool.map((examples.count + chunk - 1) / chunk) { index, _ in
      var typesInUse = Set<[Int32]>()
      return examples[(index * chunk)..<min((index + 1) * chunk, examples.count)].map { example in
        let (encoding, dropped) = encoder.tokenizer.encodeCounting(
          example.text, pair: example.pair, maxLength: encoder.maxLength)
        let ids = encoding.ids.isEmpty ? emptyText : encoding.ids
        let types = encoding.ids.isEmpty ? emptyText.map { _ in 0 } : encoding.typeIDs
        // Texts of one length mostly have the same types: held once, they take half the memory.
        var item = Item(ids: ids, typeIDs: typesInUse.insert(types).memberAfterInsert, label: example.label)
        item.cutTokens = dropped
        return item
      }
    }
    items = Array(chunks.joined())
  }

  /// Throws where the model of `config`, in the directory `path`, could not read an example.
  public func requireFit(_ config: ModelConfig, path: String) throws {
    for item in items { try config.check(ids: item.ids, path: path) }
    // Models without types read none.
    let types = config.typeVocabularySize > 0 ? config.typeVocabularySize : Int.max
    for (index, item) in items.enumerated() {
      if item.ids.isEmpty { throw EncodingError.noTokens(example: index, path: path) }
      for type in item.typeIDs where type < 0 || Int(type) >= types {
        throw EncodingError.typeOutsideModel(type: Int(type), types: types, path: path)
      }
    }
  }
}

/// A tokenizer that does not go with its model.
public enum EncodingError: UserFacingError, Equatable {
  /// A text became no token at all.
  case noTokens(example: Int, path: String)
  /// A token of a type that the model has no embedding for.
  case typeOutsideModel(type: Int, types: Int, path: String)

  /// What is wrong, and where.
  public var description: String {
    switch self {
    case .noTokens(let example, let path):
      "\(path): the tokenizer makes no token of example \(example + 1), not even a special one"
    case .typeOutsideModel(let type, let types, let path):
      "\(path): the tokenizer gives tokens the type \(type), but type_vocab_size is \(types)"
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}

extension EncodedDataset.Item {
  /// A document, or a part of one, inside an item: its tokens see no others.
  public struct Document: Sendable, Equatable {
    /// Tokens.
    public let length: Int
    /// The tokens whose prediction counts, ascending. Nothing predicts a document's first token.
    public let targets: [Range<Int>]

    /// A document of `length` tokens, of which those in `targets` are to be predicted.
    public init(length: Int, targets: [Range<Int>]) {
      self.length = length
      self.targets = targets.map { $0.clamped(to: min(1, length)..<length) }.filter { !$0.isEmpty }
    }

    /// How many predictions count.
    public var targetCount: Int { targets.reduce(0) { $0 + $1.count } }

    /// For every token of `ids` the next one, or −1 where that does not count.
    func nextTokens(_ ids: [Int32]) -> [Int32] {
      var next = [Int32](repeating: -1, count: ids.count)
      for place in targets.joined() { next[place - 1] = ids[place] }
      return next
    }
  }

  /// A stretch of a conversation: what is said to the model, or what it is to say.
  public struct Turn: Sendable {
    let ids: [Int32]
    let isTarget: Bool

    /// Tokens, which are to be learnt if `isTarget`.
    public init(_ ids: [Int32], isTarget: Bool) { (self.ids, self.isTarget) = (ids, isTarget) }
  }

  /// How many predictions of a language model's item count.
  public var targetCount: Int { documents.reduce(0) { $0 + $1.targetCount } }

  var documentIDs: [(ids: [Int32], document: Document)] {
    var rest = ids[...]
    return documents.map { document in
      defer { rest = rest.dropFirst(document.length) }
      return (Array(rest.prefix(document.length)), document)
    }
  }

  /// A language model's item of several documents, all of whose tokens but the first count.
  public init(documents: [[Int32]]) {
    self.init(
      ids: Array(documents.joined()),
      documents: documents.map { Document(length: $0.count, targets: [0..<$0.count]) })
  }

  /// A conversation, any number of whose turns are to be learnt.
  public init(turns: [Turn]) {
    var ids: [Int32] = [], targets: [Range<Int>] = []
    for turn in turns {
      if turn.isTarget { targets.append(ids.count..<(ids.count + turn.ids.count)) }
      ids += turn.ids
    }
    self.init(ids: ids, documents: [Document(length: ids.count, targets: targets)])
  }

  /// A prompt and the answer to be learnt.
  public init(prompt: [Int32], answer: [Int32]) {
    self.init(turns: [Turn(prompt, isTarget: false), Turn(answer, isTarget: true)])
  }
}

/// Turns texts into the token ids that a model reads.
public struct TextEncoder: Sendable {
  /// Text to ids.
  public let tokenizer: Tokenizer
  /// `max_seq_length`.
  public let maxLength: Int
  /// The workers.
  public let pool: WorkerPool
  private let model: ModelConfig
  private let directory: String

  /// An encoder for the model in `directory`.
  public init(_ tokenizer: Tokenizer, maxLength: Int, model: ModelConfig, directory: String, pool: WorkerPool) {
    (self.tokenizer, self.maxLength, self.pool) = (tokenizer, maxLength, pool)
    (self.model, self.directory) = (model, directory)
  }

  /// What stands for a text without a token, where a tokenizer adds none of its own (GPT-2's).
  var emptyText: [Int32] { [Int32(model.eosTokenID ?? model.bosTokenID ?? model.padTokenID ?? 0)] }

  /// The token that ends a text. Throws where the model's config names none.
  public func end() throws -> Int32 {
    guard let end = model.eosTokenID else { throw TaskError.noEndOfText(directory: directory) }
    return Int32(end)
  }

  /// The ids of what comes before an answer; `ends` puts the end-of-text token after it.
  public func prompt(_ text: String, ends: Bool) throws -> [Int32] {
    tokenizer.encode(text).ids + (ends ? [try end()] : [])
  }
}
