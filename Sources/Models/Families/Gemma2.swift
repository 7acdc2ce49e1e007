import StrictJSON

extension Architecture {
  /// Gemma 2 (arXiv 2408.00118), as transformers' `Gemma2Model`: Gemma with norms on both sides of each block, windows in
  /// every other layer, and caps on scores and logits.
  public static let gemma2 = Architecture.decoder(
    modelType: "gemma2", classifierClass: "Gemma2ForSequenceClassification",
    tokenClassifierClass: "Gemma2ForTokenClassification", languageModelClass: "Gemma2ForCausalLM",
    gguf: GGUFFamily("gemma2", slides: { $0 % 2 == 0 }) { try $0.readGemma2() }, tokenizerClass: "GemmaTokenizer",
    read: { config, design, fields in
      config.readGemma(
        &design, &fields, vocabulary: 256_000, hidden: 2304, layers: 26, heads: 8, keyValueHeads: 4, inner: 9216,
        positions: 8192)
      config.readGemma2(&design, &fields) { $0 % 2 == 0 }
      design.scoreCap = fields.has("attn_logit_softcapping") ? fields.optionalFactor("attn_logit_softcapping") : 50
      design.logitCap = fields.has("final_logit_softcapping") ? fields.optionalFactor("final_logit_softcapping") : 30
      design.rotary = config.readRotary(&fields)
    })
}

extension ModelConfig {
  /// What Gemma 2 and 3 share. `slides` says which layers have windows if the config lists none; the return value which
  /// have.
  @discardableResult
  mutating func readGemma2(
    _ design: inout DecoderDesign, _ fields: inout JSONObjectReader, slides: (Int) -> Bool
  ) -> [Bool] {
    design.attentionOutputNorm = "post_attention_layernorm"
    design.feedForwardNorm = "pre_feedforward_layernorm"
    design.feedForwardOutputNorm = "post_feedforward_layernorm"
    design.scoreScale = 1 / fields.factor("query_pre_attn_scalar", 256).squareRoot()
    let sliding = readSlidingLayers(&fields, standard: slides)
    design.windows = windows(readWindow(&fields, standard: 4096), sliding, &fields)
    return sliding
  }
}

extension GGUFConfig {
  /// The windows, the caps and the scale of attention.
  fileprivate mutating func readGemma2() throws {
    try copyWindow()
    try copyNumber("attn_logit_softcapping", to: "attn_logit_softcapping")
    try copyNumber("final_logit_softcapping", to: "final_logit_softcapping")
    try setScoreScale(largestDepth: 46)
  }

  /// `query_pre_attn_scalar`, which the files lack: the size of a head, but in the largest model of a generation, which has
  /// so many layers.
  mutating func setScoreScale(largestDepth: Int) throws {
    let isLargest = try integer("block_count") == largestDepth
    let heads = try integer("attention.head_count") ?? 1
    let size = isLargest ? (try integer("embedding_length") ?? 0) / max(1, heads) : try headSize()
    set("query_pre_attn_scalar", .integer(size), from: "attention.key_length")
  }
}
