import Checkpoints

/// The linear maps and the sizes of a whole model, from its `config.json` alone.
///
///     let geometry = ModelGeometry(try ModelConfig(directory: "models/roberta-base"))
///     let sites = try TargetSelection(["query", "value"]).select(from: geometry.sites, basePrefix: geometry.basePrefix)
///     let total = geometry.totalParameters(labels: 2)
///
/// Paths are those of transformers and PEFT without the prefix of the base model.
public struct ModelGeometry: Sendable, Equatable {
  /// The model.
  public let config: ModelConfig
  /// Every adaptable map, in model order; the slices of GPT-2's fused `c_attn` follow it. The head is not among them.
  public let sites: [Site]

  /// The geometry of the model that `config` describes.
  public init(_ config: ModelConfig) {
    self.config = config
    sites =
      switch config.family {
      case .bert, .roberta: Self.encoder(config)
      case .gpt2: Self.gpt2(config)
      case .llama: Self.llama(config)
      }
  }

  /// What transformers puts before every path of the base model.
  public var basePrefix: String {
    switch config.family {
    case .bert: "bert"
    case .roberta: "roberta"
    case .gpt2: "transformer"
    case .llama: "model"
    }
  }

  /// The maps of layers 0 … L−1, each module's path, [in, out] in turn.
  private static func stack(
    _ config: ModelConfig, _ prefix: String, _ modules: [(path: String, inFeatures: Int, outFeatures: Int)]
  ) -> [Site] {
    (0..<config.layers).flatMap { layer in
      modules.map { module in
        Site(
          layer: layer, module: module.path, path: "\(prefix).\(layer).\(module.path)",
          inFeatures: module.inFeatures, outFeatures: module.outFeatures)
      }
    }
  }

  /// RoBERTa's sequence classifier has no pooler.
  private static func encoder(_ config: ModelConfig) -> [Site] {
    let hidden = config.hiddenSize, inner = config.intermediateSize
    let layers = stack(
      config, "encoder.layer",
      [
        ("attention.self.query", hidden, hidden), ("attention.self.key", hidden, hidden),
        ("attention.self.value", hidden, hidden), ("attention.output.dense", hidden, hidden),
        ("intermediate.dense", hidden, inner), ("output.dense", inner, hidden),
      ])
    if config.family == .roberta { return layers }
    let pooler = "pooler.dense"
    return layers + [Site(layer: 0, module: pooler, path: pooler, inFeatures: hidden, outFeatures: hidden)]
  }

  private static func gpt2(_ config: ModelConfig) -> [Site] {
    let hidden = config.hiddenSize, inner = config.intermediateSize
    let modules = [
      ("attn.c_attn", hidden, 3 * hidden), ("attn.c_proj", hidden, hidden), ("mlp.c_fc", hidden, inner),
      ("mlp.c_proj", inner, hidden),
    ]
    return stack(config, "h", modules).flatMap { site in
      site.module == "attn.c_attn" ? [site] + slices(of: site, width: hidden) : [site]
    }
  }

  /// The query, key and value rows of a fused projection.
  private static func slices(of site: Site, width: Int) -> [Site] {
    ["q", "k", "v"].enumerated().map { number, name in
      Site(
        layer: site.layer, module: "\(site.module).\(name)", path: "\(site.path).\(name)",
        inFeatures: site.inFeatures, outFeatures: width,
        slice: Site.Slice(path: site.path, firstRow: number * width))
    }
  }

  private static func llama(_ config: ModelConfig) -> [Site] {
    let hidden = config.hiddenSize, inner = config.intermediateSize
    let queries = config.heads * config.headSize, keys = config.keyValueHeads * config.headSize
    return stack(
      config, "layers",
      [
        ("self_attn.q_proj", hidden, queries), ("self_attn.k_proj", hidden, keys), ("self_attn.v_proj", hidden, keys),
        ("self_attn.o_proj", queries, hidden), ("mlp.gate_proj", hidden, inner), ("mlp.up_proj", hidden, inner),
        ("mlp.down_proj", inner, hidden),
      ])
  }
}

// MARK: - Parameters

extension ModelGeometry {
  /// Numbers in transformers' whole model: `ForSequenceClassification` with `labels` outputs, or for nil the
  /// `ForCausalLM` of a decoder (tied weights once) and an encoder with as many outputs as its config says.
  public func totalParameters(labels: Int?) -> Int {
    baseParameters + headParameters(labels: labels) + languageModelHead(labels: labels)
  }

  /// Numbers in the classification head, all of which train. None for language modelling (a decoder, nil).
  public func headParameters(labels: Int?) -> Int {
    let hidden = config.hiddenSize
    let outputs = labels ?? config.labelCount ?? 2
    switch config.family {
    case .bert: return hidden * outputs + outputs
    case .roberta: return hidden * hidden + hidden + hidden * outputs + outputs
    case .gpt2, .llama: return labels == nil ? 0 : hidden * outputs
    }
  }

  private func languageModelHead(labels: Int?) -> Int {
    let isDecoder = config.family == .gpt2 || config.family == .llama
    return isDecoder && labels == nil && !config.tieWordEmbeddings ? config.vocabularySize * config.hiddenSize : 0
  }

  /// Embeddings, linear maps with their biases, and norms.
  private var baseParameters: Int {
    let hidden = config.hiddenSize, layers = config.layers
    let linear = sites.filter { $0.slice == nil }.reduce(0) { sum, site in
      sum + site.outFeatures * site.inFeatures + (hasBias(site) ? site.outFeatures : 0)
    }
    let tokens = config.vocabularySize * hidden
    let layerNorm = 2 * hidden
    switch config.family {
    case .bert, .roberta:
      let otherEmbeddings = (config.maxPositions + config.typeVocabularySize) * hidden
      return tokens + otherEmbeddings + linear + (2 * layers + 1) * layerNorm
    case .gpt2:
      return tokens + config.maxPositions * hidden + linear + (2 * layers + 1) * layerNorm
    case .llama:
      return tokens + linear + (2 * layers + 1) * hidden
    }
  }

  private func hasBias(_ site: Site) -> Bool {
    guard config.family == .llama else { return true }
    return site.module.hasPrefix("mlp.") ? config.mlpBias : config.attentionBias
  }
}
