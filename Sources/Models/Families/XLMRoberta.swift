extension Architecture {
  /// XLM-RoBERTa (Conneau et al., arXiv 1911.02116), as transformers' `XLMRobertaForSequenceClassification`: RoBERTa for a
  /// hundred languages.
  public static let xlmRoberta = Architecture.encoder(
    modelType: "xlm-roberta", basePrefix: "roberta", classifierClass: "XLMRobertaForSequenceClassification",
    tokenClassifierClass: "XLMRobertaForTokenClassification",
    tokenizerClass: "XLMRobertaTokenizer",
    read: { config, design, fields in config.readRoberta(&fields, &design, vocabulary: 30_522) })
}
