/// The modules, linear maps and sizes of a whole model, from its `config.json` alone.
///
///     let geometry = ModelGeometry(try ModelConfig(directory: "models/roberta-base"))
///     let sites = try TargetSelection(["query", "value"]).select(from: geometry.sites, basePrefix: geometry.basePrefix)
///     let total = geometry.totalParameters(labels: 2)
///
/// Paths are those of transformers and PEFT without the prefix of the base model.
public struct ModelGeometry: Sendable {
  /// The model.
  public let config: ModelConfig
  /// Every module with parameters, in model order. The head is not among them.
  public let parts: [ModelPart]
  /// Every adaptable map, in model order; the slices of a fused map follow it.
  public let sites: [Site]
  /// The map of each site's whole module, by its path.
  private let maps: [String: LinearMap]
  private let tensorNames: Set<String>

  /// The geometry of the model that `config` describes.
  public init(_ config: ModelConfig) {
    self.config = config
    let parts = config.architecture.parts(config)
    self.parts = parts
    sites = parts.flatMap(Site.all)
    maps = Dictionary(parts.compactMap { part in part.map.map { (part.path, $0) } }) { first, _ in first }
    tensorNames = Set(parts.flatMap(\.namedTensors).map(\.name))
  }

  /// What transformers puts before every path of the base model.
  public var basePrefix: String { config.architecture.basePrefix }

  /// The tensor that holds the token embedding.
  var tokenEmbedding: String {
    guard let part = parts.first(where: \.isTokenEmbedding) else {
      preconditionFailure("\(config.modelType) lists no token embedding")
    }
    return part.path + ".weight"
  }

  /// The map that `site` is, or is a slice of.
  public func map(of site: Site) -> LinearMap? { maps[site.slice?.path ?? site.path] }

  /// The number of every site, by its path.
  public var siteNumbers: [String: Int] {
    Dictionary(uniqueKeysWithValues: sites.enumerated().map { ($1.path, $0) })
  }

  // MARK: - Names

  /// The base model's own name of what a checkpoint calls `stored`; nil for what is not of the base model.
  public func tensor(stored: String) -> String? {
    let prefix = basePrefix + "."
    let name = stored.hasPrefix(prefix) ? String(stored.dropFirst(prefix.count)) : stored
    // The oldest checkpoints of BERT call a LayerNorm's weight and bias so.
    for (old, new) in [(".gamma", ".weight"), (".beta", ".bias")] where name.hasSuffix(old) {
      let renamed = name.dropLast(old.count) + new
      return tensorNames.contains(String(renamed)) ? String(renamed) : nil
    }
    return tensorNames.contains(name) ? name : nil
  }

  // MARK: - Parameters

  /// Numbers in transformers' whole model: `ForSequenceClassification` with `labels` outputs, or for nil the
  /// `ForCausalLM` of a decoder (tied weights once) and an encoder with as many outputs as its config says.
  public func totalParameters(labels: Int?) -> Int {
    let base = parts.flatMap(\.tensors).reduce(0) { $0 + $1.shape.reduce(1, *) }
    return base + headParameters(labels: labels) + languageModelHead(labels: labels)
  }

  /// Numbers in the classification head, all of which train. None for language modelling (a decoder, nil).
  public func headParameters(labels: Int?) -> Int {
    if labels == nil, config.architecture.isDecoder { return 0 }
    return HeadParameter.all(config: config, labels: labels ?? config.labelCount ?? 2).map(\.count).reduce(0, +)
  }

  private func languageModelHead(labels: Int?) -> Int {
    config.architecture.isDecoder && labels == nil && !config.tieWordEmbeddings
      ? config.vocabularySize * config.hiddenSize : 0
  }
}

extension Site {
  /// The sites of a module: itself where it is a linear map, and its slices.
  static func all(of part: ModelPart) -> [Site] {
    guard let map = part.map else { return [] }
    let isQueryKeyValue = map.role != .other, layer = part.layer ?? 0
    let whole = Site(
      layer: layer, module: part.module, path: part.path, inFeatures: map.inFeatures, outFeatures: map.outFeatures,
      isQueryKeyValue: isQueryKeyValue)
    let width = map.outFeatures / max(1, map.slices.count)
    return [whole]
      + map.slices.enumerated().map { number, name in
        Site(
          layer: layer, module: "\(part.module).\(name)", path: "\(part.path).\(name)", inFeatures: map.inFeatures,
          outFeatures: width, isQueryKeyValue: isQueryKeyValue,
          slice: Slice(path: part.path, firstRow: number * width))
      }
  }
}
