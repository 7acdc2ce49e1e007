import Kernels
import StrictJSON

// What the configs of decoders share, under the names and with the defaults of transformers 5.23.

extension ModelConfig {
  /// The sizes, heads, norm ε, dropout and activation of a decoder of LLaMA's kind, and whether its output layer is the
  /// token embedding. The arguments are the family's defaults.
  ///
  /// - Parameters:
  ///   - keyValueHeads: heads of keys and values; nil: as many as of queries.
  ///   - headSize: the width of a head; nil: what the heads make of the hidden size.
  ///   - activationKey: what the family calls its activation.
  public mutating func readDecoder(
    _ fields: inout JSONObjectReader, vocabulary: Int, hidden: Int, layers: Int, heads: Int,
    keyValueHeads sharing: Int? = nil, headSize size: Int? = nil, inner: Int, positions: Int, epsilon: Double = 1e-6,
    activation: Activation = .silu, activationKey: String = "hidden_act", isTied: Bool = false
  ) {
    readSizes(
      &fields, vocabulary: vocabulary, hidden: hidden, layers: layers, heads: heads, inner: inner, positions: positions,
      hasHeadSize: size != nil)
    readGroups(&fields, standard: sharing)
    headSize = fields.optional("head_dim") { try $0.integer(in: Bounds.headWidth) } ?? size ?? headSize
    if headSize % 2 != 0 {
      let key = fields["head_dim"] == nil ? "hidden_size" : "head_dim"
      fields.report(key, "a head has \(headSize) numbers; rotary embeddings need an even number")
    }
    normEpsilon = Float(fields.number("rms_norm_eps", epsilon, in: 0...1))
    attentionDropout = fields.optionalDropout("attention_dropout") ?? 0
    readActivation(activationKey, activation, &fields)
    tieWordEmbeddings = fields.bool("tie_word_embeddings", isTied)
  }

  /// Heads of keys and values; null stands for as many as of queries.
  private mutating func readGroups(_ fields: inout JSONObjectReader, standard: Int?) {
    let key = "num_key_value_heads"
    keyValueHeads =
      fields.optional(key) { try $0.integer(in: Bounds.width) } ?? (fields.has(key) ? nil : standard) ?? heads
    if heads % keyValueHeads != 0 {
      fields.report(
        key, .wrongValue(expected: "a divisor of num_attention_heads (\(heads))", found: "\(keyValueHeads)"))
    }
  }
}

extension DecoderDesign.Biases {
  /// The biases that switches of the config turn on; both are off by default.
  public static func read(
    _ fields: inout JSONObjectReader, attention: String, feedForward: String? = nil
  ) -> DecoderDesign.Biases {
    var biases: DecoderDesign.Biases = fields.bool(attention, false) ? .attention : []
    if let feedForward, fields.bool(feedForward, false) { biases.insert(.feedForward) }
    return biases
  }
}
