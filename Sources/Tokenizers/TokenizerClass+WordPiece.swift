// BERT and the classes with its parts.
extension TokenizerClass {
  static let bert = TokenizerClass(
    names: [
      "BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MobileBertTokenizer", "SqueezeBertTokenizer",
      "LayoutLMTokenizer", "LxmertTokenizer",
    ],
    model: .wordPiece, vocabularyFile: "vocab.txt",
    tokens: [
      "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]", "mask_token": "[MASK]",
    ],
    frame: .bert(), pipeline: bertPipeline)

  static let mpnet = TokenizerClass(
    names: ["MPNetTokenizer"], model: .wordPiece, vocabularyFile: "vocab.txt",
    tokens: [
      "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "[UNK]",
      "pad_token": "<pad>", "mask_token": "<mask>",
    ],
    frame: .roberta(),
    token: { AddedToken(content: $1, id: -1, stripsLeft: $0 == "mask_token") },
    pipeline: bertPipeline)

  @Sendable private static func bertPipeline(_ options: Options) throws -> Pipeline {
    let lowercases = try options.flag("do_lower_case", or: true)
    let stripsAccents = try options.flag("strip_accents", or: lowercases)
    let isolates = try options.flag("tokenize_chinese_chars", or: true)
    return Pipeline(
      normalizer: """
        {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": \(isolates),
         "strip_accents": \(stripsAccents), "lowercase": \(lowercases)}
        """,
      preTokenizer: #"{"type": "BertPreTokenizer"}"#,
      decoder: ###"{"type": "WordPiece", "prefix": "##", "cleanup": true}"###)
  }
}
