import Kernels
import StrictJSON

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
  /// What older checkpoints have in its place.
  public let olderPrefixes: [String]
  /// Modules beside the base model that nothing here uses, but without which transformers does not load a checkpoint: a
  /// merged model keeps them.
  public let otherModules: [String]
  /// transformers' class for sequence classification; nil if it has none of the family.
  public let classifierClass: String?
  /// transformers' class for language modelling; nil for encoders.
  public let languageModelClass: String?
  /// The adapted modules by default: queries and values, as in the papers.
  public let defaultTargets: [String]
  /// How GGUF files describe the family; nil if llama.cpp does not know it.
  public let gguf: GGUFFamily?
  /// The tokenizer class that transformers registers for the family (`TOKENIZER_MAPPING_NAMES`), for tokenizer files that
  /// do not name theirs; nil if it registers none, which is not the same as `TokenizersBackend`.
  public let tokenizerClass: String?
  /// Whether transformers takes that class even where the tokenizer files name another one
  /// (`MODELS_WITH_INCORRECT_HUB_TOKENIZER_CLASS`).
  public let forcesTokenizerClass: Bool
  /// Fills a config from the members of `config.json`. Errors that it adds to the reader are thrown together.
  ///
  ///     readConfig: { config, fields in
  ///       config.readSizes(&fields, vocabulary: 32_000, hidden: 512, layers: 8, heads: 8, inner: 2048, positions: 1024)
  ///       config.normEpsilon = Float(fields.number("rms_norm_eps", 1e-6, in: 0...1))
  ///       config.readTokens(&fields, pad: nil, bos: 1, eos: 2)
  ///     }
  public let readConfig: @Sendable (inout ModelConfig, inout JSONObjectReader) -> Void
  /// Every module with parameters of the base model, in model order: the one list.
  public let parts: @Sendable (ModelConfig) -> [ModelPart]
  /// The classification head for a number of outputs.
  public let head: @Sendable (_ config: ModelConfig, _ outputs: Int) -> [HeadParameter]
  /// The forward code.
  public let forward: Forward
  /// The head for token classification; nil if transformers has none of the family.
  public let tokenHead: TokenHead?

  /// A family of its parts.
  public init(
    modelType: String, basePrefix: String, olderPrefixes: [String] = [], otherModules: [String] = [],
    classifierClass: String?, languageModelClass: String? = nil, defaultTargets: [String], gguf: GGUFFamily? = nil,
    tokenizerClass: String? = nil, forcesTokenizerClass: Bool = false,
    readConfig: @escaping @Sendable (inout ModelConfig, inout JSONObjectReader) -> Void,
    parts: @escaping @Sendable (ModelConfig) -> [ModelPart],
    head: @escaping @Sendable (_ config: ModelConfig, _ outputs: Int) -> [HeadParameter], forward: Forward,
    tokenHead: TokenHead? = nil
  ) {
    self.modelType = modelType
    self.basePrefix = basePrefix
    self.olderPrefixes = olderPrefixes
    self.otherModules = otherModules
    self.classifierClass = classifierClass
    self.languageModelClass = languageModelClass
    self.defaultTargets = defaultTargets
    self.gguf = gguf
    self.tokenizerClass = tokenizerClass
    self.forcesTokenizerClass = forcesTokenizerClass
    self.readConfig = readConfig
    self.parts = parts
    self.head = head
    self.forward = forward
    self.tokenHead = tokenHead
  }

  /// What GGUF files call the family (`general.architecture`); nil if llama.cpp does not know it.
  public var ggufName: String? { gguf?.name }

  /// Whether it predicts the next token.
  public var isDecoder: Bool { if case .decoder = forward { true } else { false } }
}

extension Architecture {
  /// Every family, in the order of messages.
  public static let all: [Architecture] = [
    .bert, .roberta, .distilBERT, .xlmRoberta, .camembert, .electra, .albert, .mpnet, .debertaV2, .modernBERT, .gpt2,
    .llama,
    .mistral, .qwen2, .qwen3, .gemma, .gemma2, .gemma3Text, .gemma3, .phi3, .smolLM3, .olmo2, .granite,
  ]

  /// The output layer of a language model whose weights are not tied.
  public static let languageModelHead = "lm_head.weight"

  /// An encoder whose parameters, head and forward code follow from a design.
  public static func encoder(
    modelType: String, basePrefix: String? = nil, classifierClass: String, tokenClassifierClass: String? = nil,
    defaultTargets: [String] = ["query", "value"], tokenizerClass: String? = nil,
    read: @escaping @Sendable (inout ModelConfig, inout EncoderDesign, inout JSONObjectReader) -> Void
  ) -> Architecture {
    Architecture(
      modelType: modelType, basePrefix: basePrefix ?? modelType, classifierClass: classifierClass,
      defaultTargets: defaultTargets, tokenizerClass: tokenizerClass,
      readConfig: { config, fields in
        var design = EncoderDesign()
        read(&config, &design, &fields)
        config.encoder = design
        config.tokenClassifierDropout = design.tokenDropout ?? config.classifierDropout ?? config.hiddenDropout
      },
      parts: { config in config.encoder.parts(config) },
      head: { config, outputs in config.encoder.head(config, outputs: outputs) },
      forward: .encoder { weights in EncoderClassifier(weights: weights) },
      tokenHead: tokenClassifierClass.map { .linear($0, "classifier") { weights in EncoderBody(weights: weights) } })
  }

  /// A decoder whose parameters and forward code follow from a design, which `read` makes of LLaMA's while it reads
  /// `config.json`. Its classifier is the linear map `score` on the last token's state, as in transformers; its head for
  /// token classification is the map `tokenHead`.
  public static func decoder(
    modelType: String, basePrefix: String = "model", olderPrefixes: [String] = [], otherModules: [String] = [],
    classifierClass: String?, tokenClassifierClass: String? = nil, tokenHead: String = "score",
    languageModelClass: String, defaultTargets: [String] = ["q_proj", "v_proj"], gguf: GGUFFamily? = nil,
    tokenizerClass: String? = nil,
    forcesTokenizerClass: Bool = false,
    read: @escaping @Sendable (inout ModelConfig, inout DecoderDesign, inout JSONObjectReader) -> Void
  ) -> Architecture {
    Architecture(
      modelType: modelType, basePrefix: basePrefix, olderPrefixes: olderPrefixes, otherModules: otherModules,
      classifierClass: classifierClass, languageModelClass: languageModelClass, defaultTargets: defaultTargets,
      gguf: gguf, tokenizerClass: tokenizerClass, forcesTokenizerClass: forcesTokenizerClass,
      readConfig: { config, fields in
        var design = DecoderDesign()
        read(&config, &design, &fields)
        config.design = design
        if tokenClassifierClass != nil { config.readTokenClassifier(&fields) }
      },
      parts: { config in config.design.parts(config) },
      head: { config, outputs in
        [HeadParameter(name: "score.weight", rows: outputs, columns: config.hiddenSize, isOutput: true)]
      },
      forward: .decoder { weights in DecoderStack(weights: weights) },
      tokenHead: tokenClassifierClass.map { .linear($0, tokenHead) { weights in DecoderStack(weights: weights) } })
  }
}

/// One trained tensor of a classification head.
public struct HeadParameter: Sendable, Equatable {
  /// Name as in transformers: `classifier.out_proj.weight`.
  public let name: String
  /// Length of the first dimension.
  public let rows: Int
  /// Length of the second dimension; nil for a vector.
  public let columns: Int?
  /// Whether it is the weight with one row for each output.
  public let isOutput: Bool
  /// What the numbers of a vector start from.
  private var start: Float = 0

  /// A tensor of a head.
  public init(name: String, rows: Int, columns: Int?, isOutput: Bool = false) {
    (self.name, self.rows, self.columns, self.isOutput) = (name, rows, columns, isOutput)
  }

  /// A linear layer: `name.weight` [outputs, inputs] and `name.bias` if it has one.
  static func linear(
    _ name: String, _ inputs: Int, _ outputs: Int, hasBias: Bool = true, isOutput: Bool = false
  ) -> [HeadParameter] {
    let weight = HeadParameter(name: "\(name).weight", rows: outputs, columns: inputs, isOutput: isOutput)
    return hasBias ? [weight, HeadParameter(name: "\(name).bias", rows: outputs, columns: nil)] : [weight]
  }

  /// The γ [size] of a norm, which starts at 1, and its β if it has one.
  static func norm(_ name: String, _ size: Int, hasBias: Bool) -> [HeadParameter] {
    var gamma = HeadParameter(name: "\(name).weight", rows: size, columns: nil)
    gamma.start = 1
    return [gamma] + (hasBias ? [HeadParameter(name: "\(name).bias", rows: size, columns: nil)] : [])
  }

  /// The head of a config's family for `labels` outputs; none for tokens if transformers has no such head.
  public static func all(config: ModelConfig, labels: Int, kind: HeadKind = .sequence) -> [HeadParameter] {
    switch kind {
    case .sequence: config.architecture.head(config, labels)
    case .tokens: config.architecture.tokenHead?.parameters(config, labels) ?? []
    }
  }

  /// Dimensions, as in files.
  public var shape: [Int] { columns.map { [rows, $0] } ?? [rows] }
  /// How many numbers.
  public var count: Int { rows * (columns ?? 1) }
  /// Weight decay acts on matrices, not on biases.
  public var decays: Bool { columns != nil }

  /// The start of a fresh head: N(0, initializer_range²) for matrices as in transformers, 0 for biases, 1 for a norm's γ.
  public func freshValues(philox: Philox, deviation: Double) -> [Float] {
    guard columns != nil else { return [Float](repeating: start, count: count) }
    return philox.normal(count, deviation: deviation, stream: Philox.stream(named: "head." + name))
  }
}
