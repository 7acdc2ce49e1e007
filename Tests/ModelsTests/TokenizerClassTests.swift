import Models
import Testing

/// The tokenizer classes that transformers registers for model types (`TOKENIZER_MAPPING_NAMES`). They decide how a
/// tokenizer is built, so `TokenizersBackend` and none are not the same.
@Suite struct TokenizerClassTests {
  private static let registered: [String: String?] = [
    "bert": "BertTokenizer", "distilbert": "BertTokenizer", "electra": "BertTokenizer", "mpnet": "MPNetTokenizer",
    "roberta": "RobertaTokenizer", "xlm-roberta": "XLMRobertaTokenizer", "camembert": "CamembertTokenizer",
    "albert": "AlbertTokenizer", "deberta-v2": "DebertaV2Tokenizer", "modernbert": "TokenizersBackend",
    "gpt2": "GPT2Tokenizer", "llama": nil, "smollm3": nil, "qwen2": "Qwen2Tokenizer", "qwen3": "Qwen2Tokenizer",
    "gemma": "GemmaTokenizer", "gemma2": "GemmaTokenizer", "gemma3": "GemmaTokenizer",
    "gemma3_text": "GemmaTokenizer", "mistral": "TokenizersBackend", "phi3": "TokenizersBackend",
    "olmo2": "TokenizersBackend", "granite": "TokenizersBackend",
  ]

  @Test(arguments: Architecture.all)
  func isTheRegisteredOne(family: Architecture) throws {
    #expect(try #require(Self.registered[family.modelType]) == family.tokenizerClass)
  }
}
