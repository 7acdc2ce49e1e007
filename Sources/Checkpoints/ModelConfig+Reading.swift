// Names and defaults: transformers 5.23, models/{bert,roberta,gpt2,llama}/configuration_*.py, configuration_utils.py.

extension ModelConfig {
  private static let vocabularies = 1...16_777_216
  private static let widths = 1...65_536
  private static let headWidths = 1...4096
  private static let depths = 1...1024
  private static let innerWidths = 1...1_048_576
  private static let positions = 1...16_777_216
  private static let tokens = 0...Int(Int32.max)

  /// Fills everything but `family`.
  mutating func read(_ fields: inout ConfigFields) {
    switch family {
    case .bert, .roberta: readEncoder(&fields)
    case .gpt2: readGPT2(&fields)
    case .llama: readLLaMA(&fields)
    }
    readCommon(&fields)
    readLabels(&fields)
  }

  private mutating func readEncoder(_ fields: inout ConfigFields) {
    vocabularySize = fields.integer("vocab_size", family == .bert ? 30_522 : 50_265, in: Self.vocabularies)
    hiddenSize = fields.integer("hidden_size", 768, in: Self.widths)
    layers = fields.integer("num_hidden_layers", 12, in: Self.depths)
    heads = fields.integer("num_attention_heads", 12, in: Self.widths)
    intermediateSize = fields.integer("intermediate_size", 3072, in: Self.innerWidths)
    maxPositions = fields.integer("max_position_embeddings", 512, in: Self.positions)
    typeVocabularySize = fields.integer("type_vocab_size", 2, in: Self.widths)
    normEpsilon = Float(fields.number("layer_norm_eps", 1e-12, in: 0...1))
    hiddenDropout = fields.optionalDropout("hidden_dropout_prob") ?? 0.1
    embeddingDropout = hiddenDropout
    attentionDropout = fields.optionalDropout("attention_probs_dropout_prob") ?? 0.1
    classifierDropout = fields.optionalDropout("classifier_dropout")
    readActivation("hidden_act", .gelu, &fields)
    tieWordEmbeddings = fields.bool("tie_word_embeddings", true)
    readTokens(&fields, pad: family == .bert ? 0 : 1, bos: family == .bert ? nil : 0, eos: family == .bert ? nil : 2)
    readHeads(key: "num_attention_heads", widthKey: "hidden_size", &fields)
    let positionType = fields.optionalString("position_embedding_type") ?? "absolute"
    if positionType != "absolute" {
      fields.report(
        "position_embedding_type",
        .unsupported(field: "position_embedding_type", value: shown(positionType), supported: "\"absolute\""))
    }
    refuse("is_decoder", &fields)
    if family == .roberta { checkPositions(&fields) }
  }

  /// RoBERTa numbers positions from the padding token's number on.
  private func checkPositions(_ fields: inout ConfigFields) {
    guard let pad = padTokenID else {
      // A null or −1; other wrong values have been reported.
      if fields.node("pad_token_id") == nil || fields.node("pad_token_id")?.integer == -1 {
        fields.report("pad_token_id", .inconsistent("RoBERTa needs a pad_token_id, after which its positions begin"))
      }
      return
    }
    if maximumSequenceLength < 1 {
      let sentence = "max_position_embeddings (\(maxPositions)) leaves no position after pad_token_id (\(pad))"
      fields.report("max_position_embeddings", .inconsistent(sentence))
    }
  }

  private mutating func readGPT2(_ fields: inout ConfigFields) {
    /// The key in use: transformers also takes the common name of `key`.
    func used(_ key: String, or common: String) -> String { fields.has(common) && !fields.has(key) ? common : key }
    let width = used("n_embd", or: "hidden_size"), head = used("n_head", or: "num_attention_heads")
    vocabularySize = fields.integer("vocab_size", 50_257, in: Self.vocabularies)
    hiddenSize = fields.integer(width, 768, in: Self.widths)
    layers = fields.integer(used("n_layer", or: "num_hidden_layers"), 12, in: Self.depths)
    heads = fields.integer(head, 12, in: Self.widths)
    intermediateSize = fields.optionalInteger("n_inner", in: Self.innerWidths) ?? 4 * hiddenSize
    maxPositions = fields.integer(used("n_positions", or: "max_position_embeddings"), 1024, in: Self.positions)
    normEpsilon = Float(fields.number("layer_norm_epsilon", 1e-5, in: 0...1))
    embeddingDropout = fields.optionalDropout("embd_pdrop") ?? 0.1
    hiddenDropout = fields.optionalDropout("resid_pdrop") ?? 0.1
    attentionDropout = fields.optionalDropout("attn_pdrop") ?? 0.1
    readActivation("activation_function", .geluTanh, &fields)
    tieWordEmbeddings = fields.bool("tie_word_embeddings", true)
    readTokens(&fields, pad: nil, bos: 50_256, eos: 50_256)
    readHeads(key: head, widthKey: width, &fields)
    refuse("scale_attn_by_inverse_layer_idx", &fields)
    if !fields.bool("scale_attn_weights", true) {
      fields.report(
        "scale_attn_weights", .unsupported(field: "scale_attn_weights", value: "false", supported: "true"))
    }
  }

  private mutating func readLLaMA(_ fields: inout ConfigFields) {
    vocabularySize = fields.integer("vocab_size", 32_000, in: Self.vocabularies)
    hiddenSize = fields.integer("hidden_size", 4096, in: Self.widths)
    layers = fields.integer("num_hidden_layers", 32, in: Self.depths)
    heads = fields.integer("num_attention_heads", 32, in: Self.widths)
    intermediateSize = fields.integer("intermediate_size", 11_008, in: Self.innerWidths)
    maxPositions = fields.integer("max_position_embeddings", 2048, in: Self.positions)
    normEpsilon = Float(fields.number("rms_norm_eps", 1e-6, in: 0...1))
    attentionDropout = fields.optionalDropout("attention_dropout") ?? 0
    readActivation("hidden_act", .silu, &fields)
    tieWordEmbeddings = fields.bool("tie_word_embeddings", false)
    attentionBias = fields.bool("attention_bias", false)
    mlpBias = fields.bool("mlp_bias", false)
    readTokens(&fields, pad: nil, bos: 1, eos: 2)
    readHeads(key: "num_attention_heads", widthKey: "hidden_size", &fields)
    keyValueHeads = fields.optionalInteger("num_key_value_heads", in: Self.widths) ?? heads
    if heads % keyValueHeads != 0 {
      fields.report(
        "num_key_value_heads",
        .notDivisible(field: "num_attention_heads", value: heads, by: "num_key_value_heads", divisor: keyValueHeads))
    }
    headSize = fields.optionalInteger("head_dim", in: Self.headWidths) ?? headSize
    if headSize % 2 != 0 {
      let key = fields.node("head_dim") == nil ? "hidden_size" : "head_dim"
      fields.report(key, .inconsistent("a head has \(headSize) numbers; rotary embeddings need an even number"))
    }
    readRotary(&fields)
  }

  /// Newer configs keep θ in `rope_parameters`, older ones beside `rope_scaling`.
  private mutating func readRotary(_ fields: inout ConfigFields) {
    ropeTheta = fields.optionalNumber("rope_theta", in: 1...1e15) ?? 10_000
    let key = fields.node("rope_scaling") == nil ? "rope_parameters" : "rope_scaling"
    if let node = fields.node(key) {
      if node.object == nil {
        fields.wrongType(key, "an object")
      } else if let theta = node["rope_theta"], !theta.isNull {
        if let value = theta.number, (1...1e15).contains(value) {
          ropeTheta = value
        } else {
          fields.report(
            key, .wrongType(field: "\(key).rope_theta", kind: theta.kind, expected: "a number from 1 to 1e15"))
        }
      }
      let type = node["rope_type"] ?? node["type"]
      if let type, type.string == nil, !type.isNull {
        fields.report(key, .wrongType(field: "\(key).rope_type", kind: type.kind, expected: "a string"))
      }
      if type?.string ?? "default" != "default" { ropeScaling = node }
    }
    let partial = fields.optionalNumber("partial_rotary_factor", in: 0...1) ?? 1
    if partial != 1 {
      fields.report(
        "partial_rotary_factor", .unsupported(field: "partial_rotary_factor", value: "\(partial)", supported: "1"))
    }
  }

  private mutating func readCommon(_ fields: inout ConfigFields) {
    initializerRange = Float(fields.number("initializer_range", 0.02, in: 0...1000))
    refuse("add_cross_attention", &fields)
    refuse("is_encoder_decoder", &fields)
    for key in ["quantization_config", "per_layer_config", "pruned_heads"] {
      guard let node = fields.node(key), node.object?.count != 0 else { continue }
      fields.report(key, .unsupported(field: key, value: "(\(node.kind))", supported: "models without it"))
    }
    guard let type = fields.optionalString("problem_type") else { return }
    let known = ["regression", "single_label_classification", "multi_label_classification"]
    if known.contains(type) {
      problemType = type
    } else {
      let supported = known.joined(separator: ", ")
      fields.report("problem_type", .unsupported(field: "problem_type", value: shown(type), supported: supported))
    }
  }

  /// A switch that must be off.
  private func refuse(_ key: String, _ fields: inout ConfigFields) {
    if fields.bool(key, false) {
      fields.report(key, .unsupported(field: key, value: "true", supported: "false"))
    }
  }

  private mutating func readActivation(_ key: String, _ standard: Activation, _ fields: inout ConfigFields) {
    activation = standard
    guard let name = fields.optionalString(key) else { return }
    if let known = Activation(name: name) {
      activation = known
    } else {
      let supported = Activation.names.joined(separator: ", ")
      fields.report(key, .unsupported(field: key, value: shown(name), supported: supported))
    }
  }

  /// Sets the head size from `heads` and `hiddenSize`, which must divide; keys and values have as many heads.
  private mutating func readHeads(key: String, widthKey: String, _ fields: inout ConfigFields) {
    keyValueHeads = heads
    headSize = max(1, hiddenSize / heads)
    if hiddenSize % heads != 0 {
      fields.report(key, .notDivisible(field: widthKey, value: hiddenSize, by: key, divisor: heads))
    }
  }

  /// Special tokens; an explicit null means none, and so does the padding token −1.
  private mutating func readTokens(_ fields: inout ConfigFields, pad: Int?, bos: Int?, eos: Int?) {
    padTokenID = fields.has("pad_token_id") ? fields.optionalInteger("pad_token_id", in: -1...Int(Int32.max)) : pad
    if padTokenID == -1 { padTokenID = nil }
    if let pad = padTokenID, fields.node("pad_token_id") != nil, pad >= vocabularySize {
      fields.report(
        "pad_token_id",
        .outOfRange(field: "pad_token_id", value: String(pad), expected: "below vocab_size (\(vocabularySize))"))
    }
    bosTokenID = fields.has("bos_token_id") ? fields.optionalInteger("bos_token_id", in: Self.tokens) : bos
    guard fields.has("eos_token_id") else {
      eosTokenIDs = eos.map { [$0] } ?? []
      return
    }
    if let list = fields.node("eos_token_id")?.array {
      eosTokenIDs = list.compactMap(\.integer).filter(Self.tokens.contains)
      if eosTokenIDs.count != list.count { fields.wrongType("eos_token_id", "a list of token numbers") }
    } else {
      eosTokenIDs = fields.optionalInteger("eos_token_id", in: Self.tokens).map { [$0] } ?? []
    }
  }
}
