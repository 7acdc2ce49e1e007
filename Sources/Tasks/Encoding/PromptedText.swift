import Kernels

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
  /// Names the file that it stands in.
  public let file: String
  /// 1-based line in the file.
  public let line: Int

  /// An example from its parts.
  public init(
    prompt: String, endsPrompt: Bool = false, answer: String, ending: Ending = .endOfText, references: [String]? = nil,
    file: String, line: Int
  ) {
    (self.prompt, self.endsPrompt, self.answer, self.ending) = (prompt, endsPrompt, answer, ending)
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

  func split(_ request: SplitRequest, cut: PromptLimit) -> SplitData {
    SplitData(files: request.paths) { try EncodedDataset(self, limit: request.limit, cut: cut, encoder: $0) }
  }
}

/// How prompts and answers are cut to `max_seq_length`.
public enum PromptLimit: Sendable {
  /// A prompt and its answer together; prompts that leave no room for an answer are left out.
  case together
  /// Each of the two.
  case each
}

extension EncodedDataset {
  /// Tokenizes the first `limit` prompts with their answers, each by itself: so the prompt has the tokens that a model
  /// sees when it is to answer.
  public init(_ data: PromptedDataset, limit: Int = .max, cut: PromptLimit, encoder: TextEncoder) throws {
    let examples = Array(data.examples.prefix(limit)), length = encoder.maxLength
    let endings = try Dictionary(grouping: examples, by: \.ending).mapValues { try encoder.ending($0[0].ending) }
    let end = examples.contains(where: \.endsPrompt) ? [try encoder.end()] : []
    let encoded = encoder.pool.map(each: examples) { [tokenizer = encoder.tokenizer] example in
      (
        prompt: tokenizer.encode(example.prompt).ids + (example.endsPrompt ? end : []),
        answer: tokenizer.ids(of: example.answer) + (endings[example.ending] ?? [])
      )
    }
    typealias Places = [(file: String, line: Int)]
    var items: [Item] = [], cutPrompts: Places = [], cutAnswers: Places = [], tooLong: Places = []
    for ((prompt, answer), example) in zip(encoded, examples) {
      let place = (file: example.file, line: example.line)
      if cut == .together, prompt.count >= length {
        tooLong.append(place)
        continue
      }
      let room = cut == .together ? length - prompt.count : length
      if prompt.count > length { cutPrompts.append(place) }
      if answer.count > room { cutAnswers.append(place) }
      items.append(Item(prompt: Array(prompt.prefix(length)), answer: Array(answer.prefix(room))))
    }
    if items.isEmpty, !examples.isEmpty {
      throw TaskError.nothingUsable(
        file: data.file, reasons: ["a prompt of \(length) tokens or more (task.max_seq_length)"])
    }
    let most = "more than \(length) tokens (task.max_seq_length)"
    let notes =
      notices(cutPrompts) { "cut \(counted($0, "prompt")) of \(most)" }
      + notices(cutAnswers) { "cut \(counted($0, "answer")) of \(most)" }
      + notices(tooLong) {
        "left out \(counted($0, "prompt")) that \($0 == 1 ? "leaves" : "leave") no room for an answer"
      }
    self.init(items: items, leftOut: data.skipped + notes)
  }
}
