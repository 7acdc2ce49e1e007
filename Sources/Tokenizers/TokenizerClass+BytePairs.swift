// Byte pairs: the byte-level classes, LLaMA and Gemma.
extension TokenizerClass {
  static let roberta = TokenizerClass(
    names: ["RobertaTokenizer", "BartTokenizer", "LEDTokenizer", "LongformerTokenizer", "MvpTokenizer"],
    model: .bytePairs(), vocabularyFile: "vocab.json",
    tokens: [
      "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>", "unk_token": "<unk>",
      "pad_token": "<pad>", "mask_token": "<mask>",
    ],
    frame: .roberta(), pipeline: { try byteLevel($0) })

  static let deberta = TokenizerClass(
    names: ["DebertaTokenizer"], model: .bytePairs(), vocabularyFile: "vocab.json",
    tokens: [
      "bos_token": "[CLS]", "eos_token": "[SEP]", "sep_token": "[SEP]", "cls_token": "[CLS]", "unk_token": "[UNK]",
      "pad_token": "[PAD]", "mask_token": "[MASK]",
    ],
    frame: .roberta(), pipeline: { try byteLevel($0) })

  static let gpt2 = TokenizerClass(
    names: ["GPT2Tokenizer"], model: .bytePairs(), vocabularyFile: "vocab.json",
    tokens: ["unk_token": "<|endoftext|>", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"],
    pipeline: { try byteLevel($0) })

  static let gptNeoX = TokenizerClass(
    names: ["GPTNeoXTokenizer"], model: .bytePairs(), vocabularyFile: "vocab.json",
    tokens: [
      "unk_token": "<|endoftext|>", "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>",
      "pad_token": "<|padding|>",
    ],
    frame: .ofOptions, pipeline: { try byteLevel($0, normalizer: #"{"type": "NFC"}"#) })

  static let qwen2 = TokenizerClass(
    names: ["Qwen2Tokenizer"], model: .bytePairs(), vocabularyFile: "vocab.json",
    tokens: ["unk_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"],
    addsSpecialTokensAgain: true,
    pipeline: { options in
      let words =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"#
        + #"\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"#
      return try byteLevel(
        options, normalizer: #"{"type": "NFC"}"#, splitsWords: false,
        before: #"{"type": "Split", "pattern": {"Regex": "\#(words)"}, "behavior": "Isolated", "invert": false}"#)
    })

  static let cohere = TokenizerClass(
    names: ["CohereTokenizer"], model: .bytePairs(), vocabularyFile: "vocab.json",
    tokens: [
      "unk_token": "<UNK>", "bos_token": "<BOS_TOKEN>", "eos_token": "<|END_OF_TURN_TOKEN|>", "pad_token": "<PAD>",
      "cls_token": "<CLS>", "sep_token": "<SEP>", "mask_token": "<MASK_TOKEN>",
    ],
    addsSpecialTokensAgain: true,
    pipeline: {
      try byteLevel(
        $0, normalizer: #"{"type": "NFC"}"#, before: #"{"type": "Digits", "individual_digits": true}"#)
    })

  static let llama = TokenizerClass(
    names: ["LlamaTokenizer", "Phi3Tokenizer"], model: .bytePairs(fallsBackToBytes: true),
    vocabularyFile: "tokenizer.model", tokens: ["unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"],
    pipeline: { options in
      let addsPrefix = try options.flag("add_prefix_space", or: true)
      let isLegacy = try options.flag("legacy", or: false)
      let scheme = !addsPrefix ? "never" : isLegacy ? "always" : "first"
      return Pipeline(
        preTokenizer:
          #"{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "\#(scheme)", "split": false}"#,
        decoder: piecesDecoder(more: addsPrefix ? #", {"type": "Strip", "content": " ", "start": 1, "stop": 0}"# : ""))
    })

  static let gemma = TokenizerClass(
    names: ["GemmaTokenizer"], model: .bytePairs(fallsBackToBytes: true, hasUnknown: true),
    vocabularyFile: "tokenizer.model",
    tokens: [
      "unk_token": "<unk>", "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "mask_token": "<mask>",
    ],
    pipeline: { _ in
      Pipeline(
        normalizer: #"{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}"#,
        preTokenizer:
          #"{"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false}"#,
        decoder: piecesDecoder())
    })

  /// Spaces for `▁`, bytes for byte tokens, and what follows.
  static func piecesDecoder(more: String = "") -> String {
    """
    {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
     {"type": "ByteFallback"}, {"type": "Fuse"}\(more)]}
    """
  }

  private static func byteLevel(
    _ options: Options, normalizer: String? = nil, splitsWords: Bool = true, before: String? = nil
  ) throws -> Pipeline {
    let addsPrefix = try options.flag("add_prefix_space", or: false)
    let bytes =
      #"{"type": "ByteLevel", "add_prefix_space": \#(addsPrefix), "trim_offsets": true, "use_regex": \#(splitsWords)}"#
    return Pipeline(
      normalizer: normalizer,
      preTokenizer: before.map { #"{"type": "Sequence", "pretokenizers": [\#($0), \#(bytes)]}"# } ?? bytes,
      decoder: #"{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}"#)
  }
}
