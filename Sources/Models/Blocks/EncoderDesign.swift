import Kernels

/// How an encoder with norms after its blocks is built and what its modules are called: names and flags from which the
/// parameter list and the forward code follow. A fresh design is BERT's.
///
/// A family sets what differs while it reads `config.json`:
///
///     design.startsAfterPadding = true
///     design.head = .dense("classifier.dense", .tanh, then: "classifier.out_proj")
public struct EncoderDesign: Sendable {
  /// The modules of a layer, by their paths inside it.
  public struct Layer: Sendable, Equatable {
    /// Queries.
    public var query = "attention.self.query"
    /// Keys.
    public var key = "attention.self.key"
    /// Values.
    public var value = "attention.self.value"
    /// The map after attention.
    public var attentionOutput = "attention.output.dense"
    /// The norm of attention's output and the layer's input.
    public var attentionNorm = "attention.output.LayerNorm"
    /// The feed-forward block's first map.
    public var intermediate = "intermediate.dense"
    /// Its second.
    public var output = "output.dense"
    /// The norm of the layer's output.
    public var outputNorm = "output.LayerNorm"
  }

  /// Layers that share their weights (ALBERT, arXiv 1909.11942): each group has `inner` layers, which all of the depth's
  /// steps that belong to the group go through.
  public struct Groups: Sendable, Equatable {
    /// How many groups.
    public var count: Int
    /// Layers in a group.
    public var inner: Int
    /// What stands before the number of a layer in its group.
    public var path: String
  }

  /// A map from the width of the embeddings to that of the hidden states.
  public struct Projection: Sendable, Equatable {
    /// Its path.
    public var path: String
    /// Whether it has a bias.
    public var hasBias = true
    /// Whether it comes before the embeddings' norm; else after their dropout.
    public var isBeforeNorm = false
  }

  /// What relative positions add to the scores of attention.
  public enum Relative: Sendable, Equatable {
    /// A number for each bucket of differences and head, the same in all layers (MPNet, as T5, arXiv 1910.10683).
    case bias(String, buckets: Int, farthest: Int)
    /// DeBERTa's terms.
    case disentangled(DisentangledDesign)
  }

  /// A convolution of the embeddings over the sequence, whose activation joins the first layer's output before a norm
  /// (DeBERTa v2).
  public struct Convolution: Sendable, Equatable {
    /// The path of the convolution.
    public var path: String
    /// The path of the norm.
    public var norm: String
    /// How many tokens it reads on either side.
    public var distance: Int
    /// The activation after it.
    public var activation: Activation
  }

  /// The classification head, on the first token's state.
  public enum Head: Sendable, Equatable {
    /// The base model's pooler and tanh, dropout, and the trained map `classifier`.
    case pooler(String)
    /// Dropout, a trained map, an activation, dropout, and a trained map; no dropout where a probability is nil.
    case dense(String, Activation, then: String, inputDropout: Float?, dropout: Float)
  }

  /// The token embedding.
  public var words = "embeddings.word_embeddings"
  /// The embedding of positions; nil if there is none.
  public var positions: String? = "embeddings.position_embeddings"
  /// Whether positions are counted from the padding token's number + 1, over tokens that are not padding (RoBERTa).
  public var startsAfterPadding = false
  /// The embedding of token types; nil if there is none.
  public var types: String? = "embeddings.token_type_embeddings"
  /// The norm of the embeddings.
  public var embeddingNorm = "embeddings.LayerNorm"
  /// The width of the embeddings; nil: the hidden states'.
  public var embeddingSize: Int?
  /// The map from that width; nil if there is none.
  public var projection: Projection?
  /// What stands before a layer's number.
  public var stack = "encoder.layer"
  /// The modules of a layer.
  public var layer = Layer()
  /// Groups of layers that share weights; nil if each has its own.
  public var groups: Groups?
  /// Whether what attention adds to the residual is dropped with the config's `hiddenDropout`.
  public var dropsAttentionOutput = true
  /// The same of what the feed-forward block adds.
  public var dropsOutput = true
  /// The convolution beside the first layer; nil if there is none.
  public var convolution: Convolution?
  /// Terms of relative positions; nil if there are none.
  public var relative: Relative?
  /// Dropout before the head for token classification; nil: that of the config's classifier, else of its states.
  public var tokenDropout: Float?
  /// The classification head.
  public var head = Head.pooler("pooler.dense")

  /// BERT's design.
  public init() {}
}

extension EncoderDesign {
  /// Every module with parameters.
  func parts(_ config: ModelConfig) -> [ModelPart] {
    let hidden = config.hiddenSize, width = embeddingSize ?? hidden
    var parts = [ModelPart.embedding(words, config.vocabularySize, width, isTokens: true)]
    if let positions { parts.append(.embedding(positions, config.maxPositions, width)) }
    if let types { parts.append(.embedding(types, config.typeVocabularySize, width)) }
    let map = projection.map { ModelPart.linear($0.path, width, hidden, hasBias: $0.hasBias) }
    let normedWidth = projection?.isBeforeNorm == true ? hidden : width
    let norm = ModelPart.norm(embeddingNorm, normedWidth)
    parts += (projection?.isBeforeNorm == true ? [map, norm] : [norm, map]).compactMap(\.self)
    switch relative {
    case .bias(let path, let buckets, _): parts.append(.embedding(path, buckets, config.heads))
    case .disentangled(let design): parts += design.parts(hidden)
    case nil: break
    }
    if let convolution {
      parts.append(.convolution(convolution.path, hidden, width: 2 * convolution.distance + 1))
      parts.append(.norm(convolution.norm, hidden))
    }
    if let groups {
      let inner = (0..<groups.inner).flatMap { layerParts(config, "\(groups.path).\($0).") }
      parts += ModelPart.stack(stack, count: groups.count, inner)
    } else {
      parts += ModelPart.stack(stack, count: config.layers, layerParts(config, ""))
    }
    if case .pooler(let path) = head { parts.append(.linear(path, hidden, hidden, isOptional: true)) }
    return parts
  }

  private func layerParts(_ config: ModelConfig, _ path: String) -> [ModelPart] {
    let hidden = config.hiddenSize, wide = config.intermediateSize
    var own: [ModelPart] = []
    if case .disentangled(let design) = relative { own = design.layerParts(hidden, path) }
    return [
      .linear(path + layer.query, hidden, hidden, role: .query),
      .linear(path + layer.key, hidden, hidden, role: .key),
      .linear(path + layer.value, hidden, hidden, role: .value),
    ] + own + [
      .linear(path + layer.attentionOutput, hidden, hidden), .norm(path + layer.attentionNorm, hidden),
      .linear(path + layer.intermediate, hidden, wide), .linear(path + layer.output, wide, hidden),
      .norm(path + layer.outputNorm, hidden),
    ]
  }

  /// The path of every layer that hidden states go through, in order.
  func paths(_ config: ModelConfig) -> [String] {
    guard let groups else { return (0..<config.layers).map { "\(stack).\($0)." } }
    // As transformers divides: where the groups do not divide the layers, its rounding decides.
    let share = Double(config.layers) / Double(groups.count)
    return (0..<config.layers).flatMap { step in
      (0..<groups.inner).map { "\(stack).\(Int(Double(step) / share)).\(groups.path).\($0)." }
    }
  }

  /// The trained tensors of the head.
  func head(_ config: ModelConfig, outputs: Int) -> [HeadParameter] {
    let hidden = config.hiddenSize
    switch head {
    case .pooler: return HeadParameter.linear("classifier", hidden, outputs, isOutput: true)
    case .dense(let dense, _, let output, _, _):
      return HeadParameter.linear(dense, hidden, hidden) + HeadParameter.linear(output, hidden, outputs, isOutput: true)
    }
  }
}
