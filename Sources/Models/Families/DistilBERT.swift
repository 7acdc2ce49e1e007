import StrictJSON

extension Architecture {
  /// DistilBERT (Sanh et al., arXiv 1910.01108), as transformers' `DistilBertForSequenceClassification`: BERT without token
  /// types and pooler, with names of its own.
  public static let distilBERT = Architecture.encoder(
    modelType: "distilbert", classifierClass: "DistilBertForSequenceClassification",
    tokenClassifierClass: "DistilBertForTokenClassification",
    defaultTargets: ["q_lin", "v_lin"], tokenizerClass: "BertTokenizer",
    read: { config, design, fields in config.readDistilBERT(&fields, &design) })
}

extension ModelConfig {
  fileprivate mutating func readDistilBERT(_ fields: inout JSONObjectReader, _ design: inout EncoderDesign) {
    let width = fields.used("dim", or: "hidden_size"), number = fields.used("n_heads", or: "num_attention_heads")
    vocabularySize = fields.integer("vocab_size", 30_522, in: Bounds.vocabulary)
    hiddenSize = fields.integer(width, 768, in: Bounds.width)
    layers = fields.integer(fields.used("n_layers", or: "num_hidden_layers"), 6, in: Bounds.depth)
    heads = fields.integer(number, 12, in: Bounds.width)
    intermediateSize = fields.integer("hidden_dim", 3072, in: Bounds.innerWidth)
    maxPositions = fields.integer("max_position_embeddings", 512, in: Bounds.positions)
    readHeads(key: number, widthKey: width, &fields)
    normEpsilon = 1e-12
    hiddenDropout = fields.optionalDropout("dropout") ?? 0.1
    embeddingDropout = hiddenDropout
    attentionDropout = fields.optionalDropout("attention_dropout") ?? 0.1
    readActivation("activation", .gelu, &fields)
    tieWordEmbeddings = fields.bool("tie_word_embeddings", true)
    readTokens(&fields, pad: 0, bos: nil, eos: nil)
    design.types = nil
    design.stack = "transformer.layer"
    design.layer = EncoderDesign.Layer(
      query: "attention.q_lin", key: "attention.k_lin", value: "attention.v_lin", attentionOutput: "attention.out_lin",
      attentionNorm: "sa_layer_norm", intermediate: "ffn.lin1", output: "ffn.lin2", outputNorm: "output_layer_norm")
    design.dropsAttentionOutput = false
    design.head = .dense(
      "pre_classifier", .relu, then: "classifier", inputDropout: nil,
      dropout: fields.optionalDropout("seq_classif_dropout") ?? 0.2)
  }
}
