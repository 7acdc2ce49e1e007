import Adapters
import Autograd
import Checkpoints
import Diagnostics
import Kernels

/// A model that gives one row of logits for each sequence.
public protocol SequenceClassifier: Sendable {
  /// The sizes of the model.
  var config: ModelConfig { get }
  /// Logits [B, n] of the sequences of a shard. Ids and lengths have been checked with `check`.
  func logits(_ tokens: PackedTokens, _ context: ForwardContext) -> Tensor
}

/// What can be wrong between a model and what is asked of it.
public enum ModelError: UserFacingError, Equatable {
  /// A task for language models, and a family that is none.
  case notADecoder(String, path: String)
  /// A scaling of rotary embeddings that there is no code for.
  case unsupportedRotaryScaling(String, path: String)
  /// A scaling of rotary embeddings without one of its numbers.
  case badRotaryScaling(type: String, missing: String, path: String)
  /// A token id outside the embedding table.
  case tokenOutsideVocabulary(id: Int, vocabulary: Int, path: String)
  /// More tokens than there are positions.
  case tooLong(tokens: Int, limit: Int, path: String)

  /// What is wrong, where, and what would be right.
  public var description: String {
    switch self {
    case .notADecoder(let family, let path):
      "\(path): a model of type \(family) is no language model; this needs gpt2 or llama"
    case .unsupportedRotaryScaling(let type, let path):
      "\(path)/config.json: rope_type \(type) is not supported; supported: default, linear, llama3"
    case .badRotaryScaling(let type, let missing, let path):
      "\(path)/config.json: rope_type \(type) needs \(missing), a number above 0"
    case .tokenOutsideVocabulary(let id, let vocabulary, let path):
      "\(path): the tokenizer gives the id \(id), but the model has embeddings for 0 … \(vocabulary - 1) only"
    case .tooLong(let tokens, let limit, let path):
      "task.max_seq_length: \(tokens) tokens are more than the \(limit) that the model in \(path) has positions for"
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}

/// A model directory, loaded for sequence classification.
public struct LoadedClassifier: Sendable {
  /// The model.
  public let model: any SequenceClassifier
  /// The checkpoint's own head, in the order of `HeadParameter.all`, where it has one that fits.
  public let storedHead: [[Float]]?
  /// What a person should know: a pooler or head that had to be drawn.
  public let notices: [String]
  private let directory: CheckpointDirectory

  /// Maps the weights of `path` and checks every one of them.
  ///
  /// `labels` is the number of outputs. A pooler that the checkpoint lacks is drawn from `philox` as transformers
  /// draws it from its seed.
  ///
  /// In bfloat16 the matrices of linear maps are rounded once, here, unless they are stored so.
  public init(
    path: String, config: ModelConfig, labels: Int, philox: Philox, precision: Precision = .float32
  ) throws {
    let directory = try CheckpointDirectory(path: path)
    var notices: [String] = []
    if config.family.isDecoder {
      model = DecoderClassifier(decoder: try LanguageModel.load(directory, config, precision, withHead: false).decoder)
    } else {
      model = try Self.encoder(directory, config, precision, philox, &notices)
    }
    storedHead = try Self.storedHead(directory, HeadParameter.all(config: config, labels: labels), labels, &notices)
    self.notices = notices
    self.directory = directory
  }

  /// Lets the memory of the weights' pages go; they come from the files again when touched.
  public func forgetPages() { directory.forgetPages() }

  private static func encoder(
    _ directory: CheckpointDirectory, _ config: ModelConfig, _ precision: Precision, _ philox: Philox,
    _ notices: inout [String]
  ) throws -> any SequenceClassifier {
    var wanted = EncoderShapes.all(config)
    let pooler = config.family == .bert ? EncoderShapes.pooler(config) : []
    let hasPooler = pooler.contains { directory.contains($0.name) }
    if hasPooler { wanted += pooler }
    var tensors = try directory.tensors(wanted)
    try directory.refuseNonFinite(tensors)
    if !pooler.isEmpty, !hasPooler {
      notices.append("\(directory.path) has no pooler: it is drawn from the seed and stays frozen")
      for (name, shape) in pooler {
        let count = shape.reduce(1, *)
        let values =
          shape.count == 1
          ? [Float](repeating: 0, count: count)
          : philox.normal(count, deviation: Double(config.initializerRange), stream: Philox.stream(named: name))
        tensors[name] = FrozenTensor(values, shape: shape)
      }
    }
    let weights = ModelWeights(
      config: config, precision: precision, tensors: tensors, sites: ModelGeometry(config).siteNumbers)
    return config.family == .bert ? Bert(weights: weights) : Roberta(weights: weights)
  }

  private static func storedHead(
    _ directory: CheckpointDirectory, _ head: [HeadParameter], _ labels: Int, _ notices: inout [String]
  ) throws -> [[Float]]? {
    if head.allSatisfy({ directory.info($0.name)?.shape == $0.shape }) {
      let stored = try directory.tensors(head.map { ($0.name, $0.shape) })
      try directory.refuseNonFinite(stored)
      return head.compactMap { stored[$0.name]?.floats() }
    }
    if head.contains(where: { directory.contains($0.name) }) {
      notices.append(
        "the head stored in \(directory.path) does not fit \(labels) outputs: a new one is drawn from the seed")
    }
    return nil
  }
}

extension ModelConfig {
  /// Throws where an id lies outside the embedding table.
  public func check(ids: [Int32], path: String) throws {
    for id in ids where id < 0 || Int(id) >= vocabularySize {
      throw ModelError.tokenOutsideVocabulary(id: Int(id), vocabulary: vocabularySize, path: path)
    }
  }
}
