extension Architecture {
  /// Qwen 3 (Yang et al., arXiv 2505.09388), as transformers' `Qwen3Model`: LLaMA with norms of each head's queries and
  /// keys, and heads of a size of their own.
  public static let qwen3 = Architecture.decoder(
    modelType: "qwen3", classifierClass: "Qwen3ForSequenceClassification",
    tokenClassifierClass: "Qwen3ForTokenClassification", languageModelClass: "Qwen3ForCausalLM",
    gguf: GGUFFamily("qwen3"), tokenizerClass: "Qwen2Tokenizer",
    read: { config, design, fields in
      config.readDecoder(
        &fields, vocabulary: 151_936, hidden: 4096, layers: 32, heads: 32, keyValueHeads: 32, headSize: 128,
        inner: 22_016, positions: 32_768)
      config.readTokens(&fields, pad: nil, bos: nil, eos: nil)
      design.biases = .read(&fields, attention: "attention_bias")
      design.queryKeyNorms = .perHead()
      design.windows = config.readQwenWindows(&fields)
      design.rotary = config.readRotary(&fields)
      design.isInterleavedInGGUF = false
    })
}
