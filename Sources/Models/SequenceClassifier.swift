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
  /// No forward code for this family and task yet.
  case unsupportedFamily(String, path: String)
  /// A token id outside the embedding table.
  case tokenOutsideVocabulary(id: Int, vocabulary: Int, path: String)
  /// More tokens than there are positions.
  case tooLong(tokens: Int, limit: Int, path: String)

  /// What is wrong, where, and what would be right.
  public var description: String {
    switch self {
    case .unsupportedFamily(let family, let path):
      "\(path): models of type \(family) cannot be trained by this version; it trains bert and roberta"
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

  /// Maps the weights of `path` and checks every one of them.
  ///
  /// `labels` is the number of outputs. A pooler that the checkpoint lacks is drawn from `philox` as transformers
  /// draws it from its seed.
  ///
  /// In bfloat16 the matrices of linear maps are rounded once, here, unless they are stored so.
  public init(
    path: String, config: ModelConfig, labels: Int, philox: Philox, precision: Precision = .float32
  ) throws {
    guard config.family == .bert || config.family == .roberta else {
      throw ModelError.unsupportedFamily(config.family.rawValue, path: path)
    }
    let directory = try CheckpointDirectory(path: path)
    var notices: [String] = []
    var wanted = EncoderShapes.all(config)
    let pooler = config.family == .bert ? EncoderShapes.pooler(config) : []
    let hasPooler = pooler.contains { directory.contains($0.name) }
    if hasPooler { wanted += pooler }
    var tensors = try directory.tensors(wanted)
    try directory.refuseNonFinite(tensors)
    if !pooler.isEmpty, !hasPooler {
      notices.append("\(path) has no pooler: it is drawn from the seed and stays frozen")
      for (name, shape) in pooler {
        let count = shape.reduce(1, *)
        let values =
          shape.count == 1
          ? [Float](repeating: 0, count: count)
          : philox.normal(count, deviation: Double(config.initializerRange), stream: Philox.stream(named: name))
        tensors[name] = FrozenTensor(values, shape: shape)
      }
    }
    let geometry = ModelGeometry(config)
    let sites = Dictionary(uniqueKeysWithValues: geometry.sites.enumerated().map { ($1.path, $0) })
    let weights = ModelWeights(config: config, precision: precision, tensors: tensors, sites: sites)
    model = config.family == .bert ? Bert(weights: weights) : Roberta(weights: weights)

    let head = HeadParameter.all(config: config, labels: labels)
    if head.allSatisfy({ directory.info($0.name)?.shape == $0.shape }) {
      let stored = try directory.tensors(head.map { ($0.name, $0.shape) })
      try directory.refuseNonFinite(stored)
      storedHead = head.compactMap { stored[$0.name]?.floats() }
    } else {
      if head.contains(where: { directory.contains($0.name) }) {
        notices.append("the head stored in \(path) does not fit \(labels) outputs: a new one is drawn from the seed")
      }
      storedHead = nil
    }
    self.notices = notices
  }
}

extension ModelConfig {
  /// Throws where an id lies outside the embedding table.
  public func check(ids: some Sequence<Int32>, path: String) throws {
    for id in ids where id < 0 || Int(id) >= vocabularySize {
      throw ModelError.tokenOutsideVocabulary(id: Int(id), vocabulary: vocabularySize, path: path)
    }
  }
}
