import StrictJSON

extension Architecture {
  /// GPT-2 (Radford et al., "Language models are unsupervised multitask learners", 2019), as transformers' `GPT2Model`:
  /// learned positions, layer norm before each block, query, key and value in one map stored [in, out].
  public static let gpt2 = Architecture.decoder(
    modelType: "gpt2", basePrefix: "transformer", classifierClass: "GPT2ForSequenceClassification",
    languageModelClass: "GPT2LMHeadModel", defaultTargets: ["c_attn.q", "c_attn.v"],
    tokenizerClass: "GPT2Tokenizer",
    readConfig: { $0.readGPT2(&$1) },
    design: { _ in
      DecoderDesign(
        tokens: "wte", positions: "wpe", stack: "h", finalNorm: "ln_f", norm: .layer, attentionNorm: "ln_1",
        attention: .fused("attn.c_attn", parts: ["q", "k", "v"]), attentionOutput: "attn.c_proj",
        feedForwardNorm: "ln_2", feedForward: .plain(up: "mlp.c_fc", down: "mlp.c_proj"), isTransposed: true,
        attentionBias: true, feedForwardBias: true, biasJoinsResidual: true)
    })
}

extension ModelConfig {
  fileprivate mutating func readGPT2(_ fields: inout JSONObjectReader) {
    /// The key in use: transformers also takes the common name of `key`.
    func used(_ key: String, or common: String) -> String { fields.has(common) && !fields.has(key) ? common : key }
    let width = used("n_embd", or: "hidden_size"), head = used("n_head", or: "num_attention_heads")
    vocabularySize = fields.integer("vocab_size", 50_257, in: Bounds.vocabulary)
    hiddenSize = fields.integer(width, 768, in: Bounds.width)
    layers = fields.integer(used("n_layer", or: "num_hidden_layers"), 12, in: Bounds.depth)
    heads = fields.integer(head, 12, in: Bounds.width)
    intermediateSize = fields.optional("n_inner") { try $0.integer(in: Bounds.innerWidth) } ?? 4 * hiddenSize
    maxPositions = fields.integer(used("n_positions", or: "max_position_embeddings"), 1024, in: Bounds.positions)
    normEpsilon = Float(fields.number("layer_norm_epsilon", 1e-5, in: 0...1))
    embeddingDropout = fields.optionalDropout("embd_pdrop") ?? 0.1
    hiddenDropout = fields.optionalDropout("resid_pdrop") ?? 0.1
    attentionDropout = fields.optionalDropout("attn_pdrop") ?? 0.1
    readActivation("activation_function", .geluTanh, &fields)
    tieWordEmbeddings = fields.bool("tie_word_embeddings", true)
    readTokens(&fields, pad: nil, bos: 50_256, eos: 50_256)
    readHeads(key: head, widthKey: width, &fields)
    fields.refuse("scale_attn_by_inverse_layer_idx")
    if !fields.bool("scale_attn_weights", true) {
      fields.reportUnsupported("scale_attn_weights", "false", supported: "true")
    }
  }
}
