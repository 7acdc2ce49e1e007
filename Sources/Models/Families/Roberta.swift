extension Architecture {
  /// RoBERTa (Liu et al., arXiv 1907.11692), as transformers' `RobertaForSequenceClassification`: BERT's encoder with
  /// positions that start after the padding id, no pooler, and a two-layer head.
  public static let roberta = Architecture.encoder(
    modelType: "roberta", classifierClass: "RobertaForSequenceClassification",
    tokenClassifierClass: "RobertaForTokenClassification", tokenizerClass: "RobertaTokenizer",
    read: { config, design, fields in config.readRoberta(&fields, &design, vocabulary: 50_265) })
}
