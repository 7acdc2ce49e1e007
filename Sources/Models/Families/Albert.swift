extension Architecture {
  /// ALBERT (Lan et al., arXiv 1909.11942), as transformers' `AlbertForSequenceClassification`: BERT with narrow embeddings
  /// and layers that share their weights. An adapter belongs to the weights, so it acts in all layers that share them, as
  /// in PEFT.
  public static let albert = Architecture.encoder(
    modelType: "albert", classifierClass: "AlbertForSequenceClassification",
    tokenClassifierClass: "AlbertForTokenClassification", tokenizerClass: "AlbertTokenizer",
    read: { config, design, fields in
      config.readEncoder(
        &fields, vocabulary: 30_000, hidden: 4096, heads: 64, inner: 16_384, dropout: 0, activation: .geluTanh, pad: 0,
        bos: 2, eos: 3)
      // null means that of the states, for tokens.
      if fields["classifier_dropout_prob"]?.node.isNull == true { design.tokenDropout = config.hiddenDropout }
      config.classifierDropout = fields.optionalDropout("classifier_dropout_prob") ?? 0.1
      design.embeddingSize = fields.integer("embedding_size", 128, in: ModelConfig.Bounds.width)
      design.projection = .init(path: "encoder.embedding_hidden_mapping_in")
      design.stack = "encoder.albert_layer_groups"
      // All layers that hidden states go through are at most as many as other families may have.
      let most = ModelConfig.Bounds.depth.upperBound / config.layers
      design.groups = .init(
        count: fields.integer("num_hidden_groups", 1, in: 1...config.layers),
        inner: fields.integer("inner_group_num", 1, in: 1...most), path: "albert_layers")
      design.layer = .init(
        query: "attention.query", key: "attention.key", value: "attention.value", attentionOutput: "attention.dense",
        attentionNorm: "attention.LayerNorm", intermediate: "ffn", output: "ffn_output",
        outputNorm: "full_layer_layer_norm")
      design.dropsOutput = false
      design.head = .pooler("pooler")
    })
}
