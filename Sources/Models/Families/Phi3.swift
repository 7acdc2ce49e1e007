import StrictJSON

extension Architecture {
  /// Phi 3 and 4 (arXiv 2404.14219), as transformers' `Phi3Model`: LLaMA with queries, keys and values in one map, gate
  /// and up in another, and LongRoPE.
  public static let phi3 = Architecture.decoder(
    modelType: "phi3", classifierClass: "Phi3ForSequenceClassification",
    tokenClassifierClass: "Phi3ForTokenClassification", languageModelClass: "Phi3ForCausalLM",
    defaultTargets: ["qkv_proj.q", "qkv_proj.v"],
    gguf: GGUFFamily("phi3", slides: { _ in true }) { try $0.copyWindow() },
    tokenizerClass: "TokenizersBackend",
    read: { config, design, fields in
      config.readDecoder(
        &fields, vocabulary: 32_064, hidden: 3072, layers: 32, heads: 32, inner: 8192, positions: 4096, epsilon: 1e-5)
      config.hiddenDropout = fields.optionalDropout("resid_pdrop") ?? 0
      config.readTokens(&fields, pad: 32_000, bos: 1, eos: 32_000)
      design.attention = .fused("self_attn.qkv_proj", parts: ["q", "k", "v"])
      design.feedForward = .fusedGated("mlp.gate_up_proj", parts: ["gate", "up"], down: "mlp.down_proj")
      design.windows = Array(repeating: config.readWindow(&fields, standard: nil), count: config.layers)
      var rules = RotaryRules()
      (rules.isPartial, rules.original) = (true, 4096)
      rules.types = ["default": "default", "longrope": "longrope", "su": "longrope", "yarn": "longrope"]
      design.rotary = config.readRotary(&fields, rules)
      design.rereadsLongTexts = true
    })
}
