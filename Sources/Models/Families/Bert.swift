extension Architecture {
  /// BERT (Devlin et al., arXiv 1810.04805), as transformers' `BertForSequenceClassification`.
  public static let bert = Architecture.encoder(
    modelType: "bert", classifierClass: "BertForSequenceClassification",
    tokenClassifierClass: "BertForTokenClassification", tokenizerClass: "BertTokenizer",
    read: { config, _, fields in
      config.readEncoder(&fields, vocabulary: 30_522, pad: 0, bos: nil, eos: nil)
    })
}
