extension Architecture {
  /// LLaMA (Touvron et al., arXiv 2302.13971), as transformers' `LlamaModel`: RMS norm before each block, rotary
  /// positions, grouped-query attention, SwiGLU.
  public static let llama = Architecture.decoder(
    modelType: "llama", basePrefix: "model", classifierClass: "LlamaForSequenceClassification",
    languageModelClass: "LlamaForCausalLM", defaultTargets: ["q_proj", "v_proj"], ggufName: "llama",
    tokenizerClass: "LlamaTokenizer",
    readConfig: { config, fields in
      config.readSizes(
        &fields, vocabulary: 32_000, hidden: 4096, layers: 32, heads: 32, inner: 11_008, positions: 2048)
      config.normEpsilon = Float(fields.number("rms_norm_eps", 1e-6, in: 0...1))
      config.attentionDropout = fields.optionalDropout("attention_dropout") ?? 0
      config.readActivation("hidden_act", .silu, &fields)
      config.tieWordEmbeddings = fields.bool("tie_word_embeddings", false)
      config.attentionBias = fields.bool("attention_bias", false)
      config.mlpBias = fields.bool("mlp_bias", false)
      config.readTokens(&fields, pad: nil, bos: 1, eos: 2)
      config.readRotaryAttention(&fields)
    },
    design: { config in
      DecoderDesign(
        attentionBias: config.attentionBias, feedForwardBias: config.mlpBias,
        rotary: { config, _ in try RotaryFrequencies(config) })
    })
}
