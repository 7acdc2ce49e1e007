extension Architecture {
  /// CamemBERT (Martin et al., arXiv 1911.03894), as transformers' `CamembertForSequenceClassification`: RoBERTa for French.
  public static let camembert = Architecture.encoder(
    modelType: "camembert", basePrefix: "roberta", classifierClass: "CamembertForSequenceClassification",
    tokenClassifierClass: "CamembertForTokenClassification",
    tokenizerClass: "CamembertTokenizer",
    read: { config, design, fields in config.readRoberta(&fields, &design, vocabulary: 30_522) })
}
