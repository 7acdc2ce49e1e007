extension Architecture {
  /// Granite 3 (IBM, 2024), as transformers' `GraniteModel`: LLaMA with factors on embeddings, scores, residuals and
  /// logits. transformers has no classifier of it.
  public static let granite = Architecture.decoder(
    modelType: "granite", classifierClass: nil, languageModelClass: "GraniteForCausalLM", gguf: .adapters("granite"),
    tokenizerClass: "TokenizersBackend",
    read: { config, design, fields in
      config.readDecoder(
        &fields, vocabulary: 32_000, hidden: 4096, layers: 32, heads: 32, inner: 11_008, positions: 2048)
      config.readTokens(&fields, pad: nil, bos: 1, eos: 2)
      design.biases = .read(&fields, attention: "attention_bias", feedForward: "mlp_bias")
      design.embeddingScale = fields.factor("embedding_multiplier", 1)
      design.scoreScale = fields.factor("attention_multiplier", 1)
      design.residualScale = fields.factor("residual_multiplier", 1)
      design.logitScale = 1 / fields.factor("logits_scaling", 1)
      design.rotary = config.readRotary(&fields)
    })
}
