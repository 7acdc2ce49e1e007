import Diagnostics

/// A model family, as one value in one file: how its `config.json` is read, what parameters it has, and its forward
/// code. Everything else is derived from these: which tensors are loaded and checked, the sites of adapters, parameter
/// counts, the names that folding and export write.
///
///     let config = try ModelConfig(directory: "models/roberta-base")
///     print(config.architecture.defaultTargets)
///
/// Adding a family is one file with one value of this type, listed in `all`; `DecoderDesign` makes a decoder of flags.
public struct Architecture: Sendable {
  /// The forward code over checked weights.
  public enum Forward: Sendable {
    /// Gives each sequence a row of logits.
    case encoder(@Sendable (ModelWeights) throws -> any SequenceClassifier)
    /// Predicts the next token; classifies with a head on the last token's state.
    case decoder(@Sendable (ModelWeights) throws -> any Decoder)
  }

  /// The `model_type` of `config.json`.
  public let modelType: String
  /// What transformers' task models call the base model; stands before every path of it.
  public let basePrefix: String
  /// transformers' class for sequence classification.
  public let classifierClass: String
  /// transformers' class for language modelling; nil for encoders.
  public let languageModelClass: String?
  /// The adapted modules where nothing else is said: the queries and values, as in the papers.
  public let defaultTargets: [String]
  /// What GGUF files call the family (`general.architecture`); nil where llama.cpp does not know it.
  public let ggufName: String?
  /// Fills a config from the fields of `config.json`.
  public let readConfig: @Sendable (inout ModelConfig, inout ConfigFields) -> Void
  /// Every module with parameters of the base model, in model order: the one list.
  public let parts: @Sendable (ModelConfig) -> [ModelPart]
  /// The classification head for a number of outputs.
  public let head: @Sendable (_ config: ModelConfig, _ outputs: Int) -> [HeadParameter]
  /// The forward code.
  public let forward: Forward

  /// A family of its parts.
  public init(
    modelType: String, basePrefix: String, classifierClass: String, languageModelClass: String? = nil,
    defaultTargets: [String], ggufName: String? = nil,
    readConfig: @escaping @Sendable (inout ModelConfig, inout ConfigFields) -> Void,
    parts: @escaping @Sendable (ModelConfig) -> [ModelPart],
    head: @escaping @Sendable (_ config: ModelConfig, _ outputs: Int) -> [HeadParameter], forward: Forward
  ) {
    self.modelType = modelType
    self.basePrefix = basePrefix
    self.classifierClass = classifierClass
    self.languageModelClass = languageModelClass
    self.defaultTargets = defaultTargets
    self.ggufName = ggufName
    self.readConfig = readConfig
    self.parts = parts
    self.head = head
    self.forward = forward
  }

  /// Whether it predicts the next token.
  public var isDecoder: Bool { if case .decoder = forward { true } else { false } }
}

extension Architecture {
  /// Every family, in the order of messages.
  public static let all: [Architecture] = [.bert, .roberta, .gpt2, .llama]

  /// The output layer of a language model whose weights are not tied.
  static let languageModelHead = "lm_head.weight"
}
