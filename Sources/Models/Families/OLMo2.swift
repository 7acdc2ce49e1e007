extension Architecture {
  /// OLMo 2 (arXiv 2501.00656), as transformers' `Olmo2Model`: LLaMA with norms after its blocks instead of before, and
  /// norms of all queries and all keys.
  public static let olmo2 = Architecture.decoder(
    modelType: "olmo2", classifierClass: "Olmo2ForSequenceClassification", languageModelClass: "Olmo2ForCausalLM",
    gguf: .adapters("olmo2"), tokenizerClass: "TokenizersBackend",
    read: { config, design, fields in
      config.readDecoder(
        &fields, vocabulary: 50_304, hidden: 4096, layers: 32, heads: 32, inner: 11_008, positions: 2048,
        epsilon: 1e-5)
      config.readTokens(&fields, pad: 1, bos: nil, eos: 50_279)
      (design.attentionNorm, design.attentionOutputNorm) = (nil, "post_attention_layernorm")
      (design.feedForwardNorm, design.feedForwardOutputNorm) = (nil, "post_feedforward_layernorm")
      design.queryKeyNorms = .whole()
      design.biases = .read(&fields, attention: "attention_bias")
      design.rotary = config.readRotary(&fields)
      design.isInterleavedInGGUF = false
    })
}
