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
  /// The head over it.
  public let head: HeadKind
  /// Every module with parameters, in model order. The head is not among them.
  public let parts: [ModelPart]
  /// Every adaptable map, in model order; the slices of a fused map follow it.
  public let sites: [Site]
  /// The map of each site's whole module, by its path.
  let maps: [String: LinearMap]
  private let tensorNames: Set<String>

  /// The geometry of the model that `config` describes. A pooler, the only part that may be missing, belongs to the head
  /// for sequences.
  public init(_ config: ModelConfig, head: HeadKind = .sequence) {
    (self.config, self.head) = (config, head)
    let parts = config.architecture.parts(config).filter { head == .sequence || !$0.isOptional }
    self.parts = parts
    sites = parts.flatMap(Site.all)
    maps = Dictionary(parts.compactMap { part in part.map.map { (part.path, $0) } }) { first, _ in first }
    tensorNames = Set(parts.flatMap(\.namedTensors).map(\.name))
  }

  /// What transformers puts before every path of the base model.
  public var basePrefix: String { config.architecture.basePrefix }

  /// What may stand in checkpoints before them, the newest first.
  var prefixes: [String] { [basePrefix] + config.architecture.olderPrefixes }

  /// The tensor that holds the token embedding.
  public var tokenEmbedding: String {
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
    let prefix = prefixes.map { $0 + "." }.first(where: stored.hasPrefix) ?? ""
    let name = String(stored.dropFirst(prefix.count))
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
    return HeadParameter.all(config: config, labels: labels ?? config.labelCount ?? 2, kind: head)
      .map(\.count).reduce(0, +)
  }

  private func languageModelHead(labels: Int?) -> Int {
    config.architecture.isDecoder && labels == nil && !config.tieWordEmbeddings
      ? config.vocabularySize * config.hiddenSize : 0
  }
}

extension Site {
  /// The sites of a module: itself if it is a linear map, and its slices.
  static func all(of part: ModelPart) -> [Site] {
    guard let map = part.map else { return [] }
    let isQueryKeyValue = map.role != .other, layer = part.layer ?? 0
    let whole = Site(
      layer: layer, module: part.module, path: part.path, inFeatures: map.inFeatures, outFeatures: map.outFeatures,
      isQueryKeyValue: isQueryKeyValue)
    var row = 0
    return [whole]
      + map.slices.map { slice in
        defer { row += slice.outputs }
        return Site(
          layer: layer, module: "\(part.module).\(slice.name)", path: "\(part.path).\(slice.name)",
          inFeatures: map.inFeatures, outFeatures: slice.outputs, isQueryKeyValue: isQueryKeyValue,
          slice: Slice(path: part.path, firstRow: row))
      }
  }
}

/// One linear map of a model that can be adapted.
public struct Site: Sendable, Hashable {
  /// Layer number, counted upwards from the input; 0 for maps outside the stack (a pooler).
  public let layer: Int
  /// Module type: the path inside its layer, such as `attention.self.query`; the same in every layer.
  public let module: String
  /// Full path as in transformers and PEFT, without `.weight`: `encoder.layer.3.attention.self.query`.
  public let path: String
  /// Columns of the weight: the length of the map's input.
  public let inFeatures: Int
  /// Rows of the weight: the length of the map's output.
  public let outFeatures: Int
  /// Whether this is a query, key or value projection (`share-*-qkv` treats these apart).
  public internal(set) var isQueryKeyValue = false
  /// The rows of a fused map that this one is (the query of GPT-2's `c_attn`); nil for a whole map.
  public internal(set) var slice: Slice?

  /// Rows of a fused linear map.
  public struct Slice: Sendable, Hashable {
    /// Full path of the fused map.
    public let path: String
    /// The row of the fused weight that the slice starts at; it has as many rows as its site has outputs.
    public let firstRow: Int
  }
}

/// One module of a model that has parameters: an embedding, a norm or a linear map, by transformers' name.
///
///     .linear("attention.self.query", 768, 768, role: .query)
///     .norm("attention.output.LayerNorm", 768)
public struct ModelPart: Sendable, Equatable {
  /// One stored tensor.
  public struct Tensor: Sendable, Equatable {
    /// The tensor's name without the module's: `weight`.
    public let name: String
    /// Lengths of the dimensions, as stored.
    public let shape: [Int]
  }

  /// The layer, from 0; nil outside the stack of layers.
  public private(set) var layer: Int?
  /// Path inside the layer: `attention.self.query`. Outside the stack the same as `path`.
  public let module: String
  /// Path as in transformers, without the prefix of the base model: `encoder.layer.3.attention.self.query`.
  public private(set) var path: String
  /// The tensors, weight before bias.
  public let tensors: [Tensor]
  /// What makes it an adaptable linear map; nil for embeddings and norms.
  public let map: LinearMap?
  /// Whether it holds the token embedding, which a tied output layer shares.
  public let isTokenEmbedding: Bool
  /// Whether it is drawn from the seed if the checkpoint lacks it, as transformers does with BERT's pooler.
  public let isOptional: Bool
  /// llama.cpp's name of the module, inside its layer; nil if it has none.
  public let ggufName: String?
  /// What must be added to the numbers of a GGUF file (see `GGUFTensor`).
  public let ggufShift: Float

  private init(
    _ module: String, _ tensors: [Tensor], map: LinearMap? = nil, isTokenEmbedding: Bool = false,
    isOptional: Bool = false, gguf: String? = nil, ggufShift: Float = 0
  ) {
    (ggufName, self.ggufShift) = (gguf, ggufShift)
    (self.module, path, self.tensors, self.map) = (module, module, tensors, map)
    (self.isTokenEmbedding, self.isOptional) = (isTokenEmbedding, isOptional)
  }

  /// A table of `rows` vectors of length `columns`.
  public static func embedding(
    _ module: String, _ rows: Int, _ columns: Int, isTokens: Bool = false, gguf: String? = nil
  ) -> ModelPart {
    ModelPart(module, [Tensor(name: "weight", shape: [rows, columns])], isTokenEmbedding: isTokens, gguf: gguf)
  }

  /// A norm over `size` numbers. `gguf` is llama.cpp's name of it, which may have `ggufOffset` added to its numbers.
  public static func norm(
    _ module: String, _ size: Int, hasBias: Bool = true, gguf: String? = nil, ggufOffset: Float = 0
  ) -> ModelPart {
    ModelPart(
      module, (hasBias ? ["weight", "bias"] : ["weight"]).map { Tensor(name: $0, shape: [size]) }, gguf: gguf,
      ggufShift: -ggufOffset)
  }

  /// A convolution of `channels` over `width` neighbours, with a bias. It is no adaptable map.
  static func convolution(_ module: String, _ channels: Int, width: Int) -> ModelPart {
    ModelPart(
      module,
      [Tensor(name: "weight", shape: [channels, channels, width]), Tensor(name: "bias", shape: [channels])])
  }

  /// A linear map from `inputs` to `outputs` numbers.
  ///
  /// - Parameters:
  ///   - isTransposed: the weight is stored [in, out], as in GPT-2's `Conv1D`.
  ///   - slices: parts of the outputs that can be adapted apart, in their order; together they are all outputs.
  ///   - gguf: llama.cpp's name of the map.
  ///   - rotatedHeads: the heads of a query or key that rotary positions turn: llama.cpp stores their rows interleaved.
  public static func linear(
    _ module: String, _ inputs: Int, _ outputs: Int, role: LinearMap.Role = .other, hasBias: Bool = true,
    isTransposed: Bool = false, slices: [LinearMap.Slice] = [], gguf: String? = nil, rotatedHeads: Int? = nil,
    isOptional: Bool = false
  ) -> ModelPart {
    precondition(slices.isEmpty || slices.reduce(0) { $0 + $1.outputs } == outputs)
    let weight = Tensor(name: "weight", shape: isTransposed ? [inputs, outputs] : [outputs, inputs])
    return ModelPart(
      module, hasBias ? [weight, Tensor(name: "bias", shape: [outputs])] : [weight],
      map: LinearMap(
        inFeatures: inputs, outFeatures: outputs, role: role, isTransposed: isTransposed, slices: slices,
        ggufName: gguf, rotatedHeads: rotatedHeads), isOptional: isOptional, gguf: gguf)
  }

  /// Layers 0 … `count` − 1 of the same parts, at `path.LAYER.MODULE`.
  public static func stack(_ path: String, count: Int, _ parts: [ModelPart]) -> [ModelPart] {
    (0..<count).flatMap { layer in
      parts.map { part in
        var part = part
        (part.layer, part.path) = (layer, "\(path).\(layer).\(part.module)")
        return part
      }
    }
  }

  /// Full names of the tensors with their shapes.
  public var namedTensors: [(name: String, shape: [Int])] { tensors.map { ("\(path).\($0.name)", $0.shape) } }
}

/// What makes a module a linear map that can be adapted.
public struct LinearMap: Sendable, Equatable {
  /// What attention uses the map for.
  public enum Role: Sendable, Equatable {
    case query, key, value
    /// All three side by side.
    case queryKeyValue
    case other
  }

  /// Some of a map's outputs.
  public struct Slice: Sendable, Equatable {
    /// What follows the map's path: `q`.
    public let name: String
    /// How many outputs.
    public let outputs: Int

    /// `outputs` outputs, called `name`.
    public init(name: String, outputs: Int) { (self.name, self.outputs) = (name, outputs) }
  }

  /// The length of its input.
  public let inFeatures: Int
  /// The length of its output.
  public let outFeatures: Int
  /// What attention uses it for.
  public let role: Role
  /// Whether the weight is stored [in, out].
  public let isTransposed: Bool
  /// Parts of the outputs that can be adapted apart, in their order.
  public let slices: [Slice]
  /// llama.cpp's name of the map; nil if it has none.
  public let ggufName: String?
  /// The heads whose rows llama.cpp interleaves, for queries and keys with rotary positions.
  public let rotatedHeads: Int?
}
