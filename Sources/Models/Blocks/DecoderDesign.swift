/// How a decoder's layers are built and what their modules are called: flags and names from which the parameter list and
/// the forward code follow. The defaults are LLaMA's, whose names most newer decoders keep.
///
/// A family that differs in a way there is no flag for gets one here and its code in `DecoderStack`: another place of
/// norms, norms of queries and keys, windows, caps on scores.
public struct DecoderDesign: Sendable {
  /// The kind of every norm.
  public enum Norm: Sendable, Equatable {
    /// RMS norm. Gemma stores its weight less 1: `offset` is added to it.
    case rms(offset: Float = 0)
    /// Layer norm with a bias.
    case layer
  }

  /// How queries, keys and values are made.
  public enum Attention: Sendable, Equatable {
    case separate(query: String, key: String, value: String)
    /// One map, whose equal parts can be adapted apart.
    case fused(String, parts: [String])
  }

  /// The feed-forward block.
  public enum FeedForward: Sendable, Equatable {
    /// f(x gate) ∘ (x up), then down.
    case gated(gate: String, up: String, down: String)
    /// f(x up), then down.
    case plain(up: String, down: String)
  }

  /// The rotary frequencies of a layer; nil if positions do not turn its queries and keys.
  public typealias Rotary = @Sendable (_ config: ModelConfig, _ layer: Int) throws -> RotaryFrequencies?

  /// The token embedding.
  public var tokens = "embed_tokens"
  /// A factor on the token embeddings.
  public var embeddingScale: Float = 1
  /// The embedding of learned positions; nil if there is none.
  public var positions: String?
  /// What stands before a layer's number.
  public var stack = "layers"
  /// The norm after the last layer.
  public var finalNorm = "norm"
  /// The kind of every norm.
  public var norm = Norm.rms()
  /// The norm before attention.
  public var attentionNorm = "input_layernorm"
  /// Queries, keys and values.
  public var attention = Attention.separate(
    query: "self_attn.q_proj", key: "self_attn.k_proj", value: "self_attn.v_proj")
  /// The map after attention.
  public var attentionOutput = "self_attn.o_proj"
  /// The norm before the feed-forward block.
  public var feedForwardNorm = "post_attention_layernorm"
  /// The feed-forward block.
  public var feedForward = FeedForward.gated(gate: "mlp.gate_proj", up: "mlp.up_proj", down: "mlp.down_proj")
  /// Whether linear maps are stored [in, out].
  public var isTransposed = false
  /// Whether the maps of attention have biases.
  public var attentionBias = false
  /// Whether the maps of the feed-forward block have biases.
  public var feedForwardBias = false
  /// Whether the bias of a branch's last map is added with the residual, in one pass, instead of in the product. The
  /// last bits of a sum depend on it.
  public var biasJoinsResidual = false
  /// A factor on the scores of attention; nil: 1 / √D.
  public var scoreScale: Float?
  /// Rotary positions, layer by layer; nil if there are none.
  public var rotary: Rotary?

  /// A design; what is not given is as in LLaMA, without biases and positions.
  public init(
    tokens: String = "embed_tokens", embeddingScale: Float = 1, positions: String? = nil, stack: String = "layers",
    finalNorm: String = "norm", norm: Norm = .rms(), attentionNorm: String = "input_layernorm",
    attention: Attention = .separate(query: "self_attn.q_proj", key: "self_attn.k_proj", value: "self_attn.v_proj"),
    attentionOutput: String = "self_attn.o_proj", feedForwardNorm: String = "post_attention_layernorm",
    feedForward: FeedForward = .gated(gate: "mlp.gate_proj", up: "mlp.up_proj", down: "mlp.down_proj"),
    isTransposed: Bool = false, attentionBias: Bool = false, feedForwardBias: Bool = false,
    biasJoinsResidual: Bool = false, scoreScale: Float? = nil, rotary: Rotary? = nil
  ) {
    (self.tokens, self.embeddingScale, self.positions, self.stack) = (tokens, embeddingScale, positions, stack)
    (self.finalNorm, self.norm, self.attentionNorm, self.attention) = (finalNorm, norm, attentionNorm, attention)
    (self.attentionOutput, self.feedForwardNorm, self.feedForward) = (attentionOutput, feedForwardNorm, feedForward)
    (self.isTransposed, self.attentionBias, self.feedForwardBias) = (isTransposed, attentionBias, feedForwardBias)
    (self.biasJoinsResidual, self.scoreScale, self.rotary) = (biasJoinsResidual, scoreScale, rotary)
  }
}

extension DecoderDesign {
  /// Every module with parameters.
  func parts(_ config: ModelConfig) -> [ModelPart] {
    let hidden = config.hiddenSize
    var embeddings = [ModelPart.embedding(tokens, config.vocabularySize, hidden, isTokens: true)]
    if let positions { embeddings.append(.embedding(positions, config.maxPositions, hidden)) }
    let layer =
      [normPart(attentionNorm, hidden)] + attentionParts(config) + [normPart(feedForwardNorm, hidden)]
      + feedForwardParts(config)
    return embeddings + ModelPart.stack(stack, count: config.layers, layer) + [normPart(finalNorm, hidden)]
  }

  private func normPart(_ module: String, _ size: Int) -> ModelPart { .norm(module, size, hasBias: norm == .layer) }

  private func attentionParts(_ config: ModelConfig) -> [ModelPart] {
    let hidden = config.hiddenSize
    let queries = config.heads * config.headSize, keys = config.keyValueHeads * config.headSize
    // llama.cpp turns neighbouring pairs where transformers turns halves.
    let turns = rotary != nil
    let output = ModelPart.linear(
      attentionOutput, queries, hidden, hasBias: attentionBias, isTransposed: isTransposed, gguf: "attn_output")
    switch attention {
    case .fused(let module, let parts):
      return [
        .linear(
          module, hidden, queries + 2 * keys, role: .queryKeyValue, hasBias: attentionBias, isTransposed: isTransposed,
          slices: parts, gguf: "attn_qkv"),
        output,
      ]
    case .separate(let query, let key, let value):
      func projection(_ module: String, _ outputs: Int, _ role: LinearMap.Role, _ gguf: String, heads: Int?)
        -> ModelPart
      {
        .linear(
          module, hidden, outputs, role: role, hasBias: attentionBias, isTransposed: isTransposed, gguf: gguf,
          rotatedHeads: turns ? heads : nil)
      }
      return [
        projection(query, queries, .query, "attn_q", heads: config.heads),
        projection(key, keys, .key, "attn_k", heads: config.keyValueHeads),
        projection(value, keys, .value, "attn_v", heads: nil), output,
      ]
    }
  }

  private func feedForwardParts(_ config: ModelConfig) -> [ModelPart] {
    let hidden = config.hiddenSize, wide = config.intermediateSize
    func linear(_ module: String, _ inputs: Int, _ outputs: Int, _ gguf: String) -> ModelPart {
      .linear(module, inputs, outputs, hasBias: feedForwardBias, isTransposed: isTransposed, gguf: gguf)
    }
    switch feedForward {
    case .gated(let gate, let up, let down):
      return [
        linear(gate, hidden, wide, "ffn_gate"), linear(up, hidden, wide, "ffn_up"),
        linear(down, wide, hidden, "ffn_down"),
      ]
    case .plain(let up, let down): return [linear(up, hidden, wide, "ffn_up"), linear(down, wide, hidden, "ffn_down")]
    }
  }
}
