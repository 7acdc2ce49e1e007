import Kernels
import StrictJSON

/// The architectures that there is code for, by `model_type`.
public enum ModelFamily: String, Sendable, CaseIterable {
  case bert, roberta, gpt2, llama
}

/// What a model's `config.json` says, in one vocabulary for all families.
///
///     let config = try ModelConfig(directory: "models/all-MiniLM-L6-v2")
///
/// Absent keys have transformers' defaults, unknown keys are no mistake, and every size has a bound, so that the bytes
/// of all parameters together fit `Int`.
public struct ModelConfig: Sendable, Equatable {
  /// `model_type`.
  public internal(set) var family: ModelFamily
  /// V: rows of the token embedding.
  public internal(set) var vocabularySize = 0
  /// C: the width of the hidden states.
  public internal(set) var hiddenSize = 0
  /// L: how many blocks.
  public internal(set) var layers = 0
  /// H: attention heads.
  public internal(set) var heads = 0
  /// Heads of keys and values; fewer than `heads` in grouped-query attention.
  public internal(set) var keyValueHeads = 0
  /// D: the width of one head.
  public internal(set) var headSize = 0
  /// The inner width of the feed-forward block.
  public internal(set) var intermediateSize = 0
  /// Rows of the position embedding, as stored; LLaMA's longest sequence. See `maximumSequenceLength`.
  public internal(set) var maxPositions = 0
  /// Rows of the token type embedding; 0 in decoders, which have none.
  public internal(set) var typeVocabularySize = 0
  /// `hidden_act` or `activation_function`.
  public internal(set) var activation = Activation.gelu
  /// The ε of LayerNorm or RMSNorm.
  public internal(set) var normEpsilon: Float = 0
  /// On the embeddings: `embd_pdrop` in GPT-2, the hidden dropout in encoders.
  public internal(set) var embeddingDropout: Float = 0
  /// On what each block adds to the hidden states.
  public internal(set) var hiddenDropout: Float = 0
  /// On the attention probabilities.
  public internal(set) var attentionDropout: Float = 0
  /// Before the classification head; nil means `hiddenDropout`.
  public internal(set) var classifierDropout: Float?
  /// The token that fills short rows; nil where the model has none (GPT-2 and LLaMA by default).
  public internal(set) var padTokenID: Int?
  /// The token that begins a text.
  public internal(set) var bosTokenID: Int?
  /// The tokens that end a text; LLaMA may have several.
  public internal(set) var eosTokenIDs: [Int] = []
  /// Whether the output layer of a language model is the token embedding.
  public internal(set) var tieWordEmbeddings = true
  /// The standard deviation of fresh weights.
  public internal(set) var initializerRange: Float = 0.02
  /// The class names in class order; nil where the config has none.
  public internal(set) var labels: [String]?
  /// `num_labels`, or how many `labels` there are; nil where the config says neither (transformers then takes 2).
  public internal(set) var labelCount: Int?
  /// `problem_type`: regression, single_label_classification or multi_label_classification.
  public internal(set) var problemType: String?
  /// LLaMA: whether the attention's linear maps have biases.
  public internal(set) var attentionBias = false
  /// LLaMA: whether the feed-forward's linear maps have biases.
  public internal(set) var mlpBias = false
  /// LLaMA: the base wavelength of the rotary embedding.
  public internal(set) var ropeTheta = 10_000.0
  /// LLaMA: `rope_scaling` or `rope_parameters` as written; nil where the rotary embedding is the plain one.
  public internal(set) var ropeScaling: JSONNode?

  /// The first of `eosTokenIDs`.
  public var eosTokenID: Int? { eosTokenIDs.first }

  /// The longest row of tokens. RoBERTa's positions begin after the padding token's number, so two rows are lost.
  public var maximumSequenceLength: Int {
    family == .roberta ? maxPositions - (padTokenID ?? 1) - 1 : maxPositions
  }

  /// Reads `config.json` of the model directory `directory`. Throws `FileError` where there is none.
  public init(directory: String) throws {
    try self.init(file: directory + "/config.json")
  }

  /// Reads the config `file`. Throws `FileError`, `JSONSyntaxError`, `ModelConfigError` or a list of the latter.
  public init(file: String) throws {
    let mapped = try MappedFile(path: file)
    try self.init(json: mapped.text(), file: file)
  }

  /// Reads the config's text; `file` names it in errors.
  public init(json: String, file: String = "config.json") throws {
    try self.init(json: Array(json.utf8), file: file)
  }

  private init(json: [UInt8], file: String) throws {
    var fields = ConfigFields(try JSONParser.parse(json, file: file), file: file)
    let family = Self.family(&fields)
    self.init(family: family ?? .bert)
    if family != nil { read(&fields) }
    try fields.finish()
  }

  init(family: ModelFamily) { self.family = family }

  private static func family(_ fields: inout ConfigFields) -> ModelFamily? {
    let names = ModelFamily.allCases.map(\.rawValue).joined(separator: ", ")
    guard fields.node("model_type") != nil else {
      fields.report("model_type", .missing(field: "model_type", expected: "one of \(names)"))
      return nil
    }
    guard let name = fields.optionalString("model_type") else { return nil }
    if let family = ModelFamily(rawValue: name) { return family }
    fields.report("model_type", .unsupported(field: "model_type", value: shown(name), supported: names))
    return nil
  }
}
