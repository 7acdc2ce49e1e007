/// The kinds of tokenizers in GGUF files (`tokenizer.ggml.model`), which are called after the models that had them first.
public enum GGUFTokenizerKind: String, Sendable, CaseIterable {
  /// SentencePiece's pieces, merged by their scores.
  case pieces = "llama"
  /// Byte pairs, merged in the order of a list.
  case bytePairs = "gpt2"
}

extension GGUFMetadata {
  /// The kind of the tokenizer; nil if there is none, or another.
  public func tokenizerKind() throws -> GGUFTokenizerKind? {
    try text("tokenizer.ggml.model").flatMap(GGUFTokenizerKind.init)
  }
}
