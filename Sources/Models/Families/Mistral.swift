extension Architecture {
  /// Mistral (Jiang et al., arXiv 2310.06825), as transformers' `MistralModel`: LLaMA with a window in every layer.
  public static let mistral = Architecture.decoder(
    modelType: "mistral", classifierClass: "MistralForSequenceClassification",
    tokenClassifierClass: "MistralForTokenClassification",
    languageModelClass: "MistralForCausalLM", gguf: GGUFFamily("llama"), tokenizerClass: "TokenizersBackend",
    read: { config, design, fields in
      config.readDecoder(
        &fields, vocabulary: 32_000, hidden: 4096, layers: 32, heads: 32, keyValueHeads: 8, inner: 14_336,
        positions: 131_072)
      config.readTokens(&fields, pad: nil, bos: 1, eos: 2)
      design.windows = Array(repeating: config.readWindow(&fields, standard: 4096), count: config.layers)
      design.rotary = config.readRotary(&fields)
    })
}
