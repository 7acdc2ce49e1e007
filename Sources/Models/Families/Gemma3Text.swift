import StrictJSON

extension Architecture {
  /// Gemma 3 (arXiv 2503.19786) for text, as transformers' `Gemma3TextModel`: Gemma 2 with norms of each head's queries and
  /// keys, five layers with windows to one without, each kind with a rotary embedding of its own, and no caps.
  public static let gemma3Text = Architecture.decoder(
    modelType: "gemma3_text", classifierClass: "Gemma3TextForSequenceClassification",
    languageModelClass: "Gemma3ForCausalLM",
    gguf: GGUFFamily("gemma3", theta: 1_000_000, slides: { ($0 + 1) % 6 != 0 }) { try $0.readGemma3() },
    tokenizerClass: "GemmaTokenizer",
    read: { config, design, fields in
      config.readGemma3(&design, &fields)
      design.logitCap = fields.optionalFactor("final_logit_softcapping")
    })
}

extension ModelConfig {
  /// Gemma 3's text model. Its `attn_logit_softcapping` does nothing, as in transformers.
  mutating func readGemma3(_ design: inout DecoderDesign, _ fields: inout JSONObjectReader) {
    readGemma(
      &design, &fields, vocabulary: 262_208, hidden: 2304, layers: 26, heads: 8, keyValueHeads: 4, inner: 9216,
      positions: 131_072)
    let pattern = fields.integer("sliding_window_pattern", 6, in: Bounds.depth)
    let sliding = readGemma2(&design, &fields) { ($0 + 1) % pattern != 0 }
    design.queryKeyNorms = .perHead()
    design.rotary = readRotary(&fields, sliding: sliding, theta: 1_000_000, slidingTheta: 10_000)
  }
}

extension GGUFConfig {
  /// The windows, the base of the layers that have them, and the scale of attention. The pattern of layers is the same in
  /// all models.
  fileprivate mutating func readGemma3() throws {
    try copyWindow()
    try copyNumber("rope.freq_base_swa", to: "rope_local_base_freq")
    try copyNumber("final_logit_softcapping", to: "final_logit_softcapping")
    try setScoreScale(largestDepth: 62)
  }
}
