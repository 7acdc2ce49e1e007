extension Architecture {
  /// LLaMA (Touvron et al., arXiv 2302.13971), as transformers' `LlamaModel`: RMS norm before each block, rotary
  /// positions, grouped-query attention, SwiGLU.
  public static let llama = Architecture.decoder(
    modelType: "llama", classifierClass: "LlamaForSequenceClassification",
    tokenClassifierClass: "LlamaForTokenClassification", languageModelClass: "LlamaForCausalLM",
    gguf: GGUFFamily("llama"),
    read: { config, design, fields in
      config.readDecoder(
        &fields, vocabulary: 32_000, hidden: 4096, layers: 32, heads: 32, inner: 11_008, positions: 2048)
      config.readTokens(&fields, pad: nil, bos: 1, eos: 2)
      design.biases = .read(&fields, attention: "attention_bias", feedForward: "mlp_bias")
      design.rotary = config.readRotary(&fields)
    })
}
