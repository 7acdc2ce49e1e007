// SentencePiece's unigram models of encoders.
extension TokenizerClass {
  static let xlmRoberta = TokenizerClass(
    names: ["XLMRobertaTokenizer"], model: .unigram(unknown: .at(3)), vocabularyFile: "sentencepiece.bpe.model",
    tokens: [
      "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>",
      "pad_token": "<pad>", "mask_token": "<mask>",
    ],
    frame: .roberta(begin: "bos_token", end: "eos_token"),
    // fairseq's order: four tokens of its own in place of SentencePiece's three.
    pieces: { pieces, token in
      ["bos_token", "pad_token", "eos_token", "unk_token"].map { UnigramPiece(text: token($0), score: 0) }
        + pieces.dropFirst(3) + [UnigramPiece(text: token("mask_token"), score: 0)]
    },
    pipeline: { try spacedWords($0) })

  static let camembert = TokenizerClass(
    names: ["CamembertTokenizer"], model: .unigram(unknown: .namedOrFirst), vocabularyFile: "sentencepiece.bpe.model",
    tokens: [
      "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>",
      "pad_token": "<pad>", "mask_token": "<mask>",
    ],
    frame: .roberta(begin: "bos_token", end: "eos_token"),
    extra: ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"],
    token: { AddedToken(content: $1, id: -1, stripsLeft: $0 == "mask_token") },
    pieces: { pieces, token in
      [
        UnigramPiece(text: "<s>NOTUSED", score: 0), UnigramPiece(text: token("pad_token"), score: 0),
        UnigramPiece(text: "</s>NOTUSED", score: 0), UnigramPiece(text: token("unk_token"), score: 0),
        UnigramPiece(text: "<unk>NOTUSED", score: -100),
      ] + pieces.dropFirst() + [UnigramPiece(text: token("mask_token"), score: 0)]
    },
    pipeline: { try spacedWords($0) })

  static let albert = TokenizerClass(
    names: ["AlbertTokenizer"], model: .unigram(unknown: .at(1)), vocabularyFile: "spiece.model",
    tokens: [
      "bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "<unk>", "sep_token": "[SEP]", "pad_token": "<pad>",
      "cls_token": "[CLS]", "mask_token": "[MASK]",
    ],
    frame: .bertUnlessGiven,
    pipeline: { options in
      var steps = [
        #"{"type": "Replace", "pattern": {"String": "``"}, "content": "\""}"#,
        #"{"type": "Replace", "pattern": {"String": "''"}, "content": "\""}"#,
      ]
      if try !options.flag("keep_accents", or: false) { steps += [#"{"type": "NFKD"}"#, #"{"type": "StripAccents"}"#] }
      if try options.flag("do_lower_case", or: true) { steps.append(#"{"type": "Lowercase"}"#) }
      if let map = options.charactersMap { steps.append(precompiled(map)) }
      return try spacedWords(options, normalizer: sequence("normalizers", steps))
    })

  static let debertaV2 = TokenizerClass(
    names: ["DebertaV2Tokenizer"], model: .unigram(unknown: .named(orAt: 1)), vocabularyFile: "spm.model",
    tokens: [
      "bos_token": "[CLS]", "eos_token": "[SEP]", "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]",
      "cls_token": "[CLS]", "mask_token": "[MASK]",
    ],
    frame: .bert(),
    pipeline: { options in
      var steps: [String] = []
      if try options.flag("do_lower_case", or: false) { steps.append(#"{"type": "Lowercase"}"#) }
      steps += [
        #"{"type": "Replace", "pattern": {"Regex": "\\s{2,}|[\\n\\r\\t]"}, "content": " "}"#, #"{"type": "NFC"}"#,
        #"{"type": "Strip", "strip_left": false, "strip_right": true}"#,
      ]
      let mark = metaspace(try options.flag("add_prefix_space", or: true) ? "always" : "first")
      let punctuation = #"{"type": "Punctuation", "behavior": "Isolated"}"#
      let splits = try options.flag("split_by_punct", or: false) ? [punctuation, mark] : [mark]
      return Pipeline(
        normalizer: sequence("normalizers", steps), preTokenizer: sequence("pretokenizers", splits), decoder: mark)
    })

  /// Words between white space, each with a `▁` in front.
  private static func spacedWords(_ options: Options, normalizer: String? = nil) throws -> Pipeline {
    let mark = metaspace(try options.flag("add_prefix_space", or: true) ? "always" : "never")
    return Pipeline(
      normalizer: normalizer ?? options.charactersMap.map(precompiled),
      preTokenizer: sequence("pretokenizers", [#"{"type": "WhitespaceSplit"}"#, mark]), decoder: mark)
  }

  private static func metaspace(_ scheme: String) -> String {
    #"{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "\#(scheme)", "split": true}"#
  }

  static func precompiled(_ map: String) -> String {
    #"{"type": "Precompiled", "precompiled_charsmap": "\#(map)"}"#
  }

  static func sequence(_ key: String, _ steps: [String]) -> String {
    #"{"type": "Sequence", "\#(key)": [\#(steps.joined(separator: ", "))]}"#
  }
}
