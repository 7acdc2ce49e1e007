extension Architecture {
  /// MPNet (Song et al., arXiv 2004.09297), as transformers' `MPNetForSequenceClassification`: RoBERTa without token types,
  /// with a bias on scores by relative position.
  public static let mpnet = Architecture.encoder(
    modelType: "mpnet", classifierClass: "MPNetForSequenceClassification",
    tokenClassifierClass: "MPNetForTokenClassification", defaultTargets: ["attn.q", "attn.v"],
    tokenizerClass: "MPNetTokenizer",
    read: { config, design, fields in
      config.readRoberta(&fields, &design, vocabulary: 30_527, types: nil)
      let buckets = fields.integer("relative_attention_num_buckets", 32, in: ModelConfig.Bounds.width)
      // transformers counts 32 buckets whatever the table's size is.
      if buckets != 32 { fields.reportUnsupported("relative_attention_num_buckets", "\(buckets)", supported: "32") }
      // So are its positions: they begin after 1, whatever the padding token is.
      if let pad = config.padTokenID, pad != 1 {
        fields.reportUnsupported("pad_token_id", "\(pad)", supported: "1")
      }
      design.types = nil
      design.relative = .bias("encoder.relative_attention_bias", buckets: 32, farthest: 128)
      design.layer.query = "attention.attn.q"
      design.layer.key = "attention.attn.k"
      design.layer.value = "attention.attn.v"
      design.layer.attentionOutput = "attention.attn.o"
      design.layer.attentionNorm = "attention.LayerNorm"
      // Its head drops with the hidden states' probability, whatever a classifier_dropout says.
      config.classifierDropout = nil
      design.head = config.denseHead(.tanh)
    })
}
