extension Architecture {
  /// ELECTRA (Clark et al., arXiv 2003.10555), as transformers' `ElectraForSequenceClassification`: BERT with embeddings of a
  /// width of their own, no pooler, and a two-layer head.
  public static let electra = Architecture.encoder(
    modelType: "electra", classifierClass: "ElectraForSequenceClassification",
    tokenClassifierClass: "ElectraForTokenClassification", tokenizerClass: "BertTokenizer",
    read: { config, design, fields in
      config.readEncoder(
        &fields, vocabulary: 30_522, hidden: 256, heads: 4, inner: 1024, pad: 0, bos: nil, eos: nil)
      let width = fields.integer("embedding_size", 128, in: ModelConfig.Bounds.width)
      design.embeddingSize = width
      design.projection = width == config.hiddenSize ? nil : .init(path: "embeddings_project")
      design.head = config.denseHead(.gelu)
    })
}
