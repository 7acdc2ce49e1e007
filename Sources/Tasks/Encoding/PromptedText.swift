import Kernels

/// A prompt and what a model is to write after it. Loss is taken on the answer alone.
public struct PromptedText: Sendable, Equatable {
  /// The text before the answer.
  public let prompt: String
  /// Whether the tokenizer's end-of-text token stands between prompt and answer (GPT-2 on E2E).
  public let endsPrompt: Bool
  /// The text to write, which ends with the model's end-of-text token. In evaluation the first of `references`.
  public let answer: String
  /// Every text that would be right.
  public let references: [String]
  /// Names the file that it stands in.
  public let file: String
  /// 1-based line in the file.
  public let line: Int

  /// An example from its parts.
  public init(
    prompt: String, endsPrompt: Bool = false, answer: String, references: [String]? = nil,
    file: String, line: Int
  ) {
    (self.prompt, self.endsPrompt, self.answer) = (prompt, endsPrompt, answer)
    (self.references, self.file, self.line) = (references ?? [answer], file, line)
  }
}

/// Prompts with their answers, in file order, and what was left out.
public struct PromptedDataset: Sendable {
  /// The examples.
  public internal(set) var examples: [PromptedText]
  /// Where they come from.
  public let file: String
  /// Notices about records that could not be used.
  public let skipped: [String]

  /// A data set of given examples.
  public init(examples: [PromptedText], file: String, skipped: [String] = []) {
    (self.examples, self.file, self.skipped) = (examples, file, skipped)
  }

  /// The data of several files, one after the other.
  init(joining files: [PromptedDataset]) {
    self.init(
      examples: files.flatMap(\.examples), file: named(files.map(\.file)), skipped: files.flatMap(\.skipped))
  }

  func split(_ request: SplitRequest) -> SplitData {
    SplitData(files: request.paths) { try EncodedDataset(self, limit: request.limit, encoder: $0) }
  }
}

extension EncodedDataset {
  /// Tokenizes the first `limit` prompts with their answers, each by itself: so the prompt has the tokens that a model
  /// sees when it is to answer. Both together have at most `max_seq_length` tokens: longer answers are cut, prompts that
  /// leave no room for one are left out.
  public init(_ data: PromptedDataset, limit: Int = .max, encoder: TextEncoder) throws {
    let examples = Array(data.examples.prefix(limit)), length = encoder.maxLength, end = [try encoder.end()]
    let encoded = encoder.pool.map(each: examples) { [tokenizer = encoder.tokenizer] example in
      (
        prompt: tokenizer.encode(example.prompt).ids + (example.endsPrompt ? end : []),
        answer: tokenizer.ids(of: example.answer) + end
      )
    }
    var items: [Item] = [], cutAnswers: [(file: String, line: Int)] = [], tooLong = cutAnswers
    for ((prompt, answer), example) in zip(encoded, examples) {
      let place = (file: example.file, line: example.line)
      if prompt.count >= length {
        tooLong.append(place)
        continue
      }
      if answer.count > length - prompt.count { cutAnswers.append(place) }
      items.append(Item(prompt: prompt, answer: Array(answer.prefix(length - prompt.count))))
    }
    if items.isEmpty, !examples.isEmpty {
      throw TaskError.nothingUsable(
        file: data.file, reasons: ["a prompt of \(length) tokens or more (task.max_seq_length)"])
    }
    let notes =
      notices(cutAnswers) { "cut \(counted($0, "answer")) of more than \(length) tokens (task.max_seq_length)" }
      + notices(tooLong) {
        "left out \(counted($0, "prompt")) that \($0 == 1 ? "leaves" : "leave") no room for an answer"
      }
    self.init(items: items, leftOut: data.skipped + notes)
  }
}
