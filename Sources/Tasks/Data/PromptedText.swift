/// A prompt and what a model is to write after it. Loss is taken on the answer alone.
public struct PromptedText: Sendable, Equatable {
  /// How a piece of text ends, in tokens.
  public enum Ending: Sendable, Hashable {
    /// With the tokenizer's end-of-text token.
    case endOfText
    /// With this text, which holds the token that ends a turn.
    case text(String)
  }

  /// The text before the answer.
  public let prompt: String
  /// Whether the tokenizer's end-of-text token stands between prompt and answer (GPT-2 on E2E).
  public let endsPrompt: Bool
  /// The text to write. In evaluation the first of `references`.
  public let answer: String
  /// What the answer ends with.
  public let ending: Ending
  /// Every text that would be right.
  public let references: [String]
  /// 1-based line in the file.
  public let line: Int

  /// An example from its parts.
  public init(
    prompt: String, endsPrompt: Bool = false, answer: String, ending: Ending = .endOfText, references: [String]? = nil,
    line: Int
  ) {
    (self.prompt, self.endsPrompt, self.answer, self.ending) = (prompt, endsPrompt, answer, ending)
    (self.references, self.line) = (references ?? [answer], line)
  }
}

/// Prompts with their answers, in file order, and what was left out.
public struct PromptedDataset: Sendable {
  /// The examples.
  public let examples: [PromptedText]
  /// Where they come from.
  public let file: String
  /// What could not be used.
  public let skipped: [SkippedRecords]

  /// A data set of given examples.
  public init(examples: [PromptedText], file: String, skipped: [SkippedRecords] = []) {
    (self.examples, self.file, self.skipped) = (examples, file, skipped)
  }
}
