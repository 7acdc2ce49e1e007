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
  /// Whether it is drawn from the seed where the checkpoint lacks it, as transformers does with BERT's pooler.
  public let isOptional: Bool

  private init(
    _ module: String, _ tensors: [Tensor], map: LinearMap? = nil, isTokenEmbedding: Bool = false,
    isOptional: Bool = false
  ) {
    (self.module, path, self.tensors, self.map) = (module, module, tensors, map)
    (self.isTokenEmbedding, self.isOptional) = (isTokenEmbedding, isOptional)
  }

  /// A table of `rows` vectors of length `columns`.
  public static func embedding(_ module: String, _ rows: Int, _ columns: Int, isTokens: Bool = false) -> ModelPart {
    ModelPart(module, [Tensor(name: "weight", shape: [rows, columns])], isTokenEmbedding: isTokens)
  }

  /// A norm over `size` numbers.
  public static func norm(_ module: String, _ size: Int, hasBias: Bool = true) -> ModelPart {
    ModelPart(module, (hasBias ? ["weight", "bias"] : ["weight"]).map { Tensor(name: $0, shape: [size]) })
  }

  /// A linear map from `inputs` to `outputs` numbers.
  ///
  /// - Parameters:
  ///   - isTransposed: the weight is stored [in, out], as in GPT-2's `Conv1D`.
  ///   - slices: names of equal parts of the outputs that can be adapted apart.
  ///   - gguf: llama.cpp's name of the map.
  ///   - rotatedHeads: the heads of a query or key that rotary positions turn: llama.cpp stores their rows interleaved.
  public static func linear(
    _ module: String, _ inputs: Int, _ outputs: Int, role: LinearMap.Role = .other, hasBias: Bool = true,
    isTransposed: Bool = false, slices: [String] = [], gguf: String? = nil, rotatedHeads: Int? = nil,
    isOptional: Bool = false
  ) -> ModelPart {
    let weight = Tensor(name: "weight", shape: isTransposed ? [inputs, outputs] : [outputs, inputs])
    return ModelPart(
      module, hasBias ? [weight, Tensor(name: "bias", shape: [outputs])] : [weight],
      map: LinearMap(
        inFeatures: inputs, outFeatures: outputs, role: role, isTransposed: isTransposed, slices: slices,
        ggufName: gguf, rotatedHeads: rotatedHeads), isOptional: isOptional)
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

  /// The length of its input.
  public let inFeatures: Int
  /// The length of its output.
  public let outFeatures: Int
  /// What attention uses it for.
  public let role: Role
  /// Whether the weight is stored [in, out].
  public let isTransposed: Bool
  /// Names of equal parts of the outputs that can be adapted apart.
  public let slices: [String]
  /// llama.cpp's name of the map; nil where it has none.
  public let ggufName: String?
  /// The heads whose rows llama.cpp interleaves, for queries and keys with rotary positions.
  public let rotatedHeads: Int?
}
