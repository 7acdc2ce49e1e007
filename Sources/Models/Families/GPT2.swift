import StrictJSON

extension Architecture {
  /// GPT-2 (Radford et al., "Language models are unsupervised multitask learners", 2019), as transformers' `GPT2Model`:
  /// learned positions, layer norm before each block, query, key and value in one map stored [in, out].
  public static let gpt2 = Architecture.decoder(
    modelType: "gpt2", basePrefix: "transformer", classifierClass: "GPT2ForSequenceClassification",
    tokenClassifierClass: "GPT2ForTokenClassification", tokenHead: "classifier",
    languageModelClass: "GPT2LMHeadModel", defaultTargets: ["c_attn.q", "c_attn.v"],
    gguf: .adapters("gpt2"), tokenizerClass: "GPT2Tokenizer",
    read: { config, design, fields in
      config.readGPT2(&fields)
      (design.tokens, design.positions, design.stack, design.finalNorm) = ("wte", "wpe", "h", "ln_f")
      (design.norm, design.attentionNorm, design.feedForwardNorm) = (.layer, "ln_1", "ln_2")
      design.attention = .fused("attn.c_attn", parts: ["q", "k", "v"])
      design.attentionOutput = "attn.c_proj"
      design.feedForward = .plain(up: "mlp.c_fc", down: "mlp.c_proj")
      (design.isTransposed, design.biases, design.biasJoinsResidual) = (true, [.attention, .feedForward], true)
    })
}

extension ModelConfig {
  fileprivate mutating func readGPT2(_ fields: inout JSONObjectReader) {
    let width = fields.used("n_embd", or: "hidden_size"), head = fields.used("n_head", or: "num_attention_heads")
    vocabularySize = fields.integer("vocab_size", 50_257, in: Bounds.vocabulary)
    hiddenSize = fields.integer(width, 768, in: Bounds.width)
    layers = fields.integer(fields.used("n_layer", or: "num_hidden_layers"), 12, in: Bounds.depth)
    heads = fields.integer(head, 12, in: Bounds.width)
    intermediateSize = fields.optional("n_inner") { try $0.integer(in: Bounds.innerWidth) } ?? 4 * hiddenSize
    maxPositions = fields.integer(fields.used("n_positions", or: "max_position_embeddings"), 1024, in: Bounds.positions)
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
