import Checkpoints
import Diagnostics
import Kernels
import StrictJSON

/// What a model's `config.json` says, in one vocabulary for all families.
///
///     let config = try ModelConfig(directory: "models/all-MiniLM-L6-v2")
///
/// Absent keys have transformers' defaults, unknown keys are ignored, and every size has a bound, so that the bytes
/// of all parameters together fit `Int`.
public struct ModelConfig: Sendable {
  /// The family.
  public let architecture: Architecture
  /// The file it was read from, as errors name it.
  public let file: String
  /// V: rows of the token embedding.
  public var vocabularySize = 0
  /// C: the width of the hidden states.
  public var hiddenSize = 0
  /// L: how many blocks.
  public var layers = 0
  /// H: attention heads.
  public var heads = 0
  /// Heads of keys and values; fewer than `heads` in grouped-query attention.
  public var keyValueHeads = 0
  /// D: the width of one head.
  public var headSize = 0
  /// The inner width of the feed-forward block.
  public var intermediateSize = 0
  /// Rows of the position embedding, as stored; of a model without one its longest sequence. See
  /// `maximumSequenceLength`.
  public var maxPositions = 0
  /// Rows of the position embedding before the first token's: RoBERTa's positions begin after the padding token's
  /// number.
  public var positionOffset = 0
  /// Rows of the token type embedding; 0 in models that have none.
  public var typeVocabularySize = 0
  /// `hidden_act` or `activation_function`.
  public var activation = Activation.gelu
  /// The ε of LayerNorm or RMSNorm.
  public var normEpsilon: Float = 0
  /// On the embeddings: `embd_pdrop` in GPT-2, the hidden dropout in encoders.
  public var embeddingDropout: Float = 0
  /// On what each block adds to the hidden states.
  public var hiddenDropout: Float = 0
  /// On the attention probabilities.
  public var attentionDropout: Float = 0
  /// Before the classification head; nil means `hiddenDropout`.
  public var classifierDropout: Float?
  /// The nonlinearity of the classification head, in families whose configs name one.
  public var classifierActivation = Activation.gelu
  /// Whether the head's hidden layer has a bias, in families whose configs say so.
  public var classifierBias = false
  /// Before the head for token classification.
  public var tokenClassifierDropout: Float = 0
  /// Whether that head's output has a bias.
  public var tokenClassifierHasBias = true
  /// Whether the head reads the mean of all tokens instead of the first one.
  public var classifierReadsMean = false
  /// The token that fills short rows; nil if the model has none (GPT-2 and LLaMA by default).
  public var padTokenID: Int?
  /// The token that begins a text.
  public var bosTokenID: Int?
  /// The tokens that end a text; LLaMA may have several.
  public var eosTokenIDs: [Int] = []
  /// Whether the output layer of a language model is the token embedding.
  public var tieWordEmbeddings = true
  /// The standard deviation of fresh weights.
  public var initializerRange: Float = 0.02
  /// The class names in class order; nil if the config has none.
  public var labels: [String]?
  /// Why there are no `labels` although the config has a table of them: an error for what needs the names.
  public var labelProblem: JSONFieldError?
  /// `num_labels`, or how many `labels` there are; nil if the config says neither (transformers then takes 2).
  public var labelCount: Int?
  /// `problem_type`: regression, single_label_classification or multi_label_classification.
  public var problemType: String?
  /// Notes for the user: what of the config is left aside.
  public var notices: [String] = []
  /// How a decoder is built, or an encoder with norms before its blocks.
  public var design = DecoderDesign()
  /// How an encoder with norms after its blocks is built.
  public var encoder = EncoderDesign()

  /// The first of `eosTokenIDs`.
  public var eosTokenID: Int? { eosTokenIDs.first }

  /// `model_type`.
  public var modelType: String { architecture.modelType }

  /// The longest row of tokens.
  public var maximumSequenceLength: Int { maxPositions - positionOffset }

  /// Reads `config.json` of the model directory `directory`, or the metadata of the GGUF file that it means. Throws
  /// `FileError` if there is none.
  public init(directory: String, architectures: [Architecture] = Architecture.all) throws {
    if let path = try GGUFFile.path(of: directory) {
      try self.init(gguf: path, architectures: architectures)
    } else {
      try self.init(file: directory + "/config.json", architectures: architectures)
    }
  }

  /// Reads the config `file`. Throws `FileError`, `JSONSyntaxError`, `JSONFieldError` or a list of the latter.
  public init(file: String, architectures: [Architecture] = Architecture.all) throws {
    try self.init(json: MappedFile(path: file).text(), file: file, architectures)
  }

  /// Reads the config's text; `file` names it in errors.
  public init(
    json: String, file: String = "config.json", architectures: [Architecture] = Architecture.all
  ) throws {
    try self.init(json: Array(json.utf8), file: file, architectures)
  }

  private init(json: [UInt8], file: String, _ architectures: [Architecture]) throws {
    try self.init(JSONField(parsing: json, file: file), architectures)
  }

  /// Reads an object of the members of `config.json`.
  init(_ field: JSONField, _ architectures: [Architecture]) throws {
    try self.init(architecture: Self.architecture(field, architectures), file: field.file)
    var fields = JSONObjectReader(field)
    architecture.readConfig(&self, &fields)
    readCommon(&fields)
    try fields.finish()
  }

  private init(architecture: Architecture, file: String) { (self.architecture, self.file) = (architecture, file) }

  private static func architecture(_ config: JSONField, _ known: [Architecture]) throws -> Architecture {
    func names(_ areDecoders: Bool) -> String {
      known.filter { $0.isDecoder == areDecoders }.map(\.modelType).joined(separator: ", ")
    }
    let list = "encoders \(names(false)); decoders \(names(true))"
    guard let type = try config.optional("model_type") else {
      throw config.missing("model_type", expected: "one of: \(list)")
    }
    let name = try type.string()
    if let architecture = known.first(where: { $0.modelType == name }) { return architecture }
    let nearest = nearestName(to: name, among: known.map(\.modelType)).map { ", did you mean \($0)?" } ?? "."
    throw type.error("\(JSONWriter.quoted(name.clipped)) is not supported\(nearest) Supported: \(list)")
  }

  /// Throws if an id lies outside the embedding table.
  public func check(ids: [Int32], path: String) throws {
    for id in ids where id < 0 || Int(id) >= vocabularySize {
      throw ModelError.tokenOutsideVocabulary(id: Int(id), vocabulary: vocabularySize, path: path)
    }
  }
}
