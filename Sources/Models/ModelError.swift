import Diagnostics

/// What can be wrong between a model and what is asked of it.
public enum ModelError: UserFacingError, Equatable {
  /// A task for language models, and a family that cannot generate text.
  case notALanguageModel(modelType: String, supported: [String], path: String)
  /// A token id outside the embedding table.
  case tokenOutsideVocabulary(id: Int, vocabulary: Int, path: String)
  /// A task of tags, and a family whose heads transformers has no such one among.
  case noTokenHead(modelType: String, supported: [String], path: String)
  /// Column factors of another model.
  case otherFactors(file: String, map: String)
  /// Numbers that are no column factors.
  case noFactors(file: String, maps: String)
  /// A map whose sums do not fit into 32 bits.
  case tooWideForInt8(map: String, features: Int, limit: Int)
  /// More tokens than there are positions.
  case tooLong(tokens: Int, limit: Int, path: String)

  /// The model of `config` in `path` cannot generate text.
  public static func notADecoder(
    _ config: ModelConfig, among architectures: [Architecture] = Architecture.all, path: String
  ) -> ModelError {
    .notALanguageModel(
      modelType: config.modelType, supported: architectures.filter(\.isDecoder).map(\.modelType), path: path)
  }

  /// transformers has no head for token classification of `config`'s family.
  public static func noTokenClassifier(
    _ config: ModelConfig, among architectures: [Architecture] = Architecture.all, path: String? = nil
  ) -> ModelError {
    .noTokenHead(
      modelType: config.modelType, supported: architectures.filter { $0.tokenHead != nil }.map(\.modelType),
      path: path ?? config.file)
  }

  /// What is wrong, where, and what would be right.
  public var description: String {
    switch self {
    case .notALanguageModel(let type, let supported, let path):
      "\(path): a \(type) model cannot generate text; supported: \(supported.joined(separator: ", "))"
    case .noTokenHead(let type, let supported, let path):
      "\(path): transformers has no \(type) model for token classification; supported: "
        + supported.joined(separator: ", ")
    case .tokenOutsideVocabulary(let id, let vocabulary, let path):
      "\(path): the tokenizer gives the id \(id), but the model has embeddings for 0 to \(vocabulary - 1) only"
    case .otherFactors(let file, let map):
      "\(file): holds int8 factors of \(map), which is not among this model's linear maps or has another size"
    case .noFactors(let file, let maps):
      "\(file): the int8 factors of \(maps) are not all positive, finite numbers"
    case .tooWideForInt8(let map, let features, let limit):
      "training.precision: int8 takes maps of at most \(limit) inputs and outputs; \(map) has \(features); use \"bfloat16\""
    case .tooLong(let tokens, let limit, let path):
      "task.max_seq_length: \(tokens) tokens are more than the \(limit) that the model in \(path) has positions for"
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}
