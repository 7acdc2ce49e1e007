import Testing

/// Ids and texts from `tokenizers` for a tokenizer.json of every kind; scripts/golden/tokenizer_kinds.py writes them.
@Suite struct KindGoldenTests {
  static let names = [
    "albert", "byte-normalizer", "camembert", "deberta-v3", "deepseek-coder", "deepseek-v3", "gemma", "letters",
    "llama3",
    "mistral", "modernbert", "o200k", "phi3", "qwen2", "split-contiguous", "split-contiguous-inverted",
    "split-mergedwithnext", "split-mergedwithnext-inverted", "split-mergedwithprevious",
    "split-mergedwithprevious-inverted", "split-removed", "split-removed-inverted", "t5", "tekken", "unigram-bytes",
    "words", "xlm-roberta",
  ]

  private let texts = GoldenTexts(folder: "kinds")

  @Test(arguments: names) func encodesAsTheLibrary(name: String) throws { try texts.checkEncoding(name) }

  @Test(arguments: names) func decodesAsTheLibrary(name: String) throws { try texts.checkDecoding(name, count: 16) }
}
