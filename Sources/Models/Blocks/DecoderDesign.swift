/// How a decoder's layers are built and what their modules are called: flags and names from which the parameter list and
/// the forward code follow. A fresh design is LLaMA's, whose names most newer decoders keep. An encoder with norms before
/// its blocks is one that is not causal (ModernBERT).
///
/// A family sets what differs while it reads `config.json`:
///
///     design.biases = [.queryKeyValue]
///     design.rotary = config.readRotary(&fields)
///
/// A family that differs in a way there is no flag for gets one here and its code in `DecoderStack`.
public struct DecoderDesign: Sendable {
  /// The kind of every norm.
  public enum Norm: Sendable, Equatable {
    /// RMS norm. Gemma stores its weight less 1: `offset` is added to it.
    case rms(offset: Float = 0)
    /// Layer norm with a bias.
    case layer
    /// Layer norm without one.
    case layerWithoutBias
  }

  /// How queries, keys and values are made.
  public enum Attention: Sendable, Equatable {
    case separate(query: String, key: String, value: String)
    /// One map, whose parts (queries, keys, values) can be adapted apart.
    case fused(String, parts: [String])
  }

  /// The feed-forward block.
  public enum FeedForward: Sendable, Equatable {
    /// f(x gate) ∘ (x up), then down.
    case gated(gate: String, up: String, down: String)
    /// The same with gate and up as one map, whose two parts can be adapted apart.
    case fusedGated(String, parts: [String], down: String)
    /// f(x up), then down.
    case plain(up: String, down: String)
  }

  /// Norms of queries and keys, before positions turn them.
  public enum QueryKeyNorms: Sendable, Equatable {
    /// Over each head's numbers, with one γ for all heads.
    case perHead(query: String = "self_attn.q_norm", key: String = "self_attn.k_norm")
    /// Over the numbers of all heads together.
    case whole(query: String = "self_attn.q_norm", key: String = "self_attn.k_norm")
  }

  /// Linear maps that have biases.
  public struct Biases: OptionSet, Sendable {
    /// The bits.
    public let rawValue: Int
    /// A set of bits.
    public init(rawValue: Int) { self.rawValue = rawValue }
    /// Queries, keys and values.
    public static let queryKeyValue = Biases(rawValue: 1)
    /// The map after attention.
    public static let attentionOutput = Biases(rawValue: 2)
    /// All four maps of attention.
    public static let attention: Biases = [.queryKeyValue, .attentionOutput]
    /// The maps of the feed-forward block.
    public static let feedForward = Biases(rawValue: 4)
  }

  /// The token embedding.
  public var tokens = "embed_tokens"
  /// A factor on the token embeddings.
  public var embeddingScale: Float = 1
  /// Whether that factor is rounded to bfloat16 where the embeddings are used in it (Gemma).
  public var roundsEmbeddingScale = false
  /// The embedding of learned positions; nil if there is none.
  public var positions: String?
  /// The norm of the embeddings, before their dropout; nil if there is none.
  public var embeddingNorm: String?
  /// What stands before a layer's number.
  public var stack = "layers"
  /// The norm after the last layer.
  public var finalNorm = "norm"
  /// The kind of every norm.
  public var norm = Norm.rms()
  /// The norm before attention; nil if there is none.
  public var attentionNorm: String? = "input_layernorm"
  /// Whether the first layer has that norm.
  public var hasFirstAttentionNorm = true
  /// Queries, keys and values.
  public var attention = Attention.separate(
    query: "self_attn.q_proj", key: "self_attn.k_proj", value: "self_attn.v_proj")
  /// The map after attention.
  public var attentionOutput = "self_attn.o_proj"
  /// The norm of what attention adds to the residual; nil if there is none.
  public var attentionOutputNorm: String?
  /// The norm before the feed-forward block; nil if there is none.
  public var feedForwardNorm: String? = "post_attention_layernorm"
  /// The feed-forward block.
  public var feedForward = FeedForward.gated(gate: "mlp.gate_proj", up: "mlp.up_proj", down: "mlp.down_proj")
  /// The norm of what the feed-forward block adds to the residual; nil if there is none.
  public var feedForwardOutputNorm: String?
  /// Whether linear maps are stored [in, out].
  public var isTransposed = false
  /// Which maps have biases.
  public var biases: Biases = []
  /// Whether the bias of a branch's last map is added with the residual, in one pass, instead of in the product. The
  /// last bits of a sum depend on it.
  public var biasJoinsResidual = false
  /// Norms of queries and keys; nil if there are none.
  public var queryKeyNorms: QueryKeyNorms?
  /// A factor on the scores of attention; nil: 1 / √D.
  public var scoreScale: Float?
  /// c of c · tanh(score / c) for the scores of attention; nil: none.
  public var scoreCap: Float?
  /// Whether a token sees only itself and those before it.
  public var isCausal = true
  /// Each layer's window: how many tokens a token sees, its own included, or if not causal how far it sees on both sides;
  /// nil for all, and empty if all layers see all.
  public var windows: [Int?] = []
  /// The probability of dropping a number between the maps of the feed-forward block.
  public var innerDropout: Float = 0
  /// Dropout on what attention adds to the residual; nil: the config's `hiddenDropout`.
  public var attentionOutputDropout: Float?
  /// A factor on what each block adds to the residual.
  public var residualScale: Float = 1
  /// A factor on the next token's logits.
  public var logitScale: Float = 1
  /// c of c · tanh(logit / c) for the next token's logits; nil: none.
  public var logitCap: Float?
  /// Each layer's rotary positions; nil where positions turn nothing, and empty if no layer has any.
  public var rotary: [RotaryEmbedding?] = []
  /// Whether a text that grows beyond `usualRotaryLength` is read again from its start, so that all its keys have the same
  /// frequencies. transformers does so in Phi 3 alone; elsewhere keys keep those that they were cached with.
  public var rereadsLongTexts = false
  /// Whether llama.cpp stores the rows of queries and keys interleaved: it turns neighbouring pairs in some families,
  /// and halves as transformers does in others.
  public var isInterleavedInGGUF = true

  /// Beyond this many tokens a sequence has other rotary frequencies; nil if the length does not matter.
  public var usualRotaryLength: Int? { rotary.compactMap { $0?.usualLength }.min() }

  /// LLaMA's design, without biases and positions.
  public init() {}
}
