extension Architecture {
  /// Qwen 2 and 2.5 (Yang et al., arXiv 2407.10671), as transformers' `Qwen2Model`: LLaMA with biases on queries, keys and
  /// values, and windows in the upper layers.
  public static let qwen2 = Architecture.decoder(
    modelType: "qwen2", classifierClass: "Qwen2ForSequenceClassification",
    tokenClassifierClass: "Qwen2ForTokenClassification", languageModelClass: "Qwen2ForCausalLM",
    gguf: GGUFFamily("qwen2"), tokenizerClass: "Qwen2Tokenizer", forcesTokenizerClass: true,
    read: { config, design, fields in
      config.readDecoder(
        &fields, vocabulary: 151_936, hidden: 4096, layers: 32, heads: 32, keyValueHeads: 32, inner: 22_016,
        positions: 32_768)
      config.readTokens(&fields, pad: nil, bos: nil, eos: nil)
      design.biases = .queryKeyValue
      design.windows = config.readQwenWindows(&fields)
      design.rotary = config.readRotary(&fields)
      design.isInterleavedInGGUF = false
    })
}
