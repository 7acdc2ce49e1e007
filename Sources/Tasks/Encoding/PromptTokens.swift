import Tokenizers

/// Tokens of which a model is to learn, or is scored on, those from `targetStart` on.
public struct PromptTokens: Sendable, Equatable {
  /// Prompt and answer, special tokens included.
  public var ids: [Int32]
  /// Where the answer begins. Loss is that of the tokens from here on, each predicted by the one before it.
  public var targetStart: Int

  /// The tokens of an answer.
  public init(ids: [Int32], targetStart: Int) { (self.ids, self.targetStart) = (ids, targetStart) }
}

extension Tokenizer {
  /// The tokens of `prompt` followed by `continuation`, tokenized as one text, as a model meets it. A token that reaches
  /// over the border belongs to the continuation.
  public func tokens(prompt: String, continuation: String) -> PromptTokens {
    let whole = encode(prompt + continuation).ids, alone = encode(prompt).ids
    let shared = zip(whole, alone).prefix { $0 == $1 }.count
    // Something always stands before the answer to predict its first token.
    return PromptTokens(ids: whole, targetStart: max(shared, min(1, whole.count)))
  }
}
