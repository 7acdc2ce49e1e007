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

extension ModelConfig {
  /// The dropout before the head for token classification and whether that has a bias, as transformers'
  /// `GenericForTokenClassification` and GPT-2's look for them.
  mutating func readTokenClassifier(_ fields: inout JSONObjectReader) {
    tokenClassifierDropout =
      fields.optionalDropout("classifier_dropout") ?? fields.optionalDropout("hidden_dropout") ?? 0.1
    tokenClassifierHasBias = fields.bool("token_classification_bias", true)
  }
}

extension ModelConfig {
  /// `sliding_window`; nil if it is null, and `standard` if it is absent.
  public func readWindow(_ fields: inout JSONObjectReader, standard: Int?) -> Int? {
    let key = "sliding_window"
    guard fields.has(key) else { return standard }
    return fields.optional(key) { try $0.integer(in: Bounds.positions) }
  }

  /// Whether each layer sees a window alone, as `layer_types` says or else `standard` for a layer's number.
  public func readSlidingLayers(_ fields: inout JSONObjectReader, standard: (Int) -> Bool) -> [Bool] {
    let listed = fields.optional("layer_types") { list in
      let entries = try list.elements()
      guard entries.count == layers else {
        throw list.error(
          .wrongValue(expected: "a list of num_hidden_layers (\(layers)) entries", found: "one of \(entries.count)"))
      }
      return try entries.map { entry in
        switch try entry.string() {
        case "sliding_attention": return true
        // The second is an older name.
        case "full_attention", "attention": return false
        case let name:
          throw entry.error(
            "\(JSONWriter.quoted(name.clipped)) is not supported; supported: full_attention, sliding_attention")
        }
      }
    }
    return listed ?? (0..<layers).map(standard)
  }

  /// The windows of `sliding` layers, for `DecoderDesign.windows`. Without a window there must be no such layer.
  public func windows(_ window: Int?, _ sliding: [Bool], _ fields: inout JSONObjectReader) -> [Int?] {
    if window == nil, let layer = sliding.firstIndex(of: true) {
      fields.report("sliding_window", "there is none, but layer \(layer) has sliding_attention")
    }
    return sliding.map { $0 ? window : nil }
  }

  /// Qwen's windows: in the layers from `max_window_layers` on, if `use_sliding_window` is on.
  public func readQwenWindows(_ fields: inout JSONObjectReader) -> [Int?] {
    let window = readWindow(&fields, standard: 4096), isUsed = fields.bool("use_sliding_window", false)
    let first = fields.integer("max_window_layers", 28, in: 0...Bounds.depth.upperBound)
    let sliding = readSlidingLayers(&fields) { isUsed && window != nil && $0 >= first }
    return windows(isUsed ? window : nil, sliding, &fields)
  }
}

extension JSONObjectReader {
  /// A factor above 0; `standard` if it is absent.
  public mutating func factor(_ key: String, _ standard: Double) -> Float {
    optionalFactor(key) ?? Float(standard)
  }

  /// A number above 0; nil if it is absent or null.
  public mutating func optionalFactor(_ key: String) -> Float? {
    optional(key) { field in
      let number = try field.number()
      if number > 0, Float(number).isNormal { return Float(number) }
      throw field.error(.wrongValue(expected: "a number above 0 that float32 holds", found: "\(number)"))
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
