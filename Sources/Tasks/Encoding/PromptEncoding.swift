import Kernels

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
    var endings: [PromptedText.Ending: [Int32]] = [:]
    for example in examples where endings[example.ending] == nil {
      endings[example.ending] = try encoder.ending(example.ending)
    }
    let end = examples.contains(where: \.endsPrompt) ? [try encoder.end()] : []
    let encoded = encoder.pool.map(each: examples) { [endings, tokenizer = encoder.tokenizer] example in
      (
        prompt: tokenizer.encode(example.prompt).ids + (example.endsPrompt ? end : []),
        answer: tokenizer.ids(of: example.answer) + (endings[example.ending] ?? [])
      )
    }
    var items: [Item] = [], cutPrompts: [Int] = [], cutAnswers: [Int] = [], tooLong: [Int] = []
    for ((prompt, answer), example) in zip(encoded, examples) {
      if cut == .together, prompt.count >= length {
        tooLong.append(example.line)
        continue
      }
      let room = cut == .together ? length - prompt.count : length
      if prompt.count > length { cutPrompts.append(example.line) }
      if answer.count > room { cutAnswers.append(example.line) }
      items.append(Item(prompt: Array(prompt.prefix(length)), answer: Array(answer.prefix(room))))
    }
    let most = "more than \(length) tokens (task.max_seq_length)"
    let notices = [
      RecordNotice("cut \(counted(cutPrompts, "prompt")) of \(most)", file: data.file, lines: cutPrompts),
      RecordNotice("cut \(counted(cutAnswers, "answer")) of \(most)", file: data.file, lines: cutAnswers),
      RecordNotice(
        "left out \(counted(tooLong, "prompt")) that \(tooLong.count == 1 ? "leaves" : "leave") no room for an answer",
        file: data.file, lines: tooLong),
    ]
    if items.isEmpty, !examples.isEmpty {
      throw TaskError.nothingUsable(
        file: data.file, reasons: ["a prompt of \(length) tokens or more (task.max_seq_length)"])
    }
    self.init(
      items: items,
      leftOut: data.skipped.map(\.description) + notices.filter { !$0.lines.isEmpty }.map(\.description))
  }
}

private func counted(_ lines: [Int], _ name: String) -> String {
  lines.count == 1 ? "1 \(name)" : "\(lines.count) \(name)s"
}
