import Tasks
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

  /// The tokens of a document for `causal-lm`, with the end-of-text token behind where it is to be learnt.
  public func tokens(document: String, addsEnd: Bool) -> [Int32] {
    encode(document).ids + (addsEnd ? [endID].compactMap { $0 } : [])
  }
}

/// Prompts with answers as tokens, and what had to be cut or left out.
public struct EncodedPrompts: Sendable {
  /// The examples, in file order, with their numbers in the data set.
  public private(set) var items: [(index: Int, tokens: PromptTokens)] = []
  /// Answers that lost their end, since they are longer than the model's text may be.
  public private(set) var cutAnswers: SkippedRecords?
  /// Records whose prompt leaves no room for an answer, and those of the data set that nothing can be learnt from.
  public private(set) var skipped: [SkippedRecords]

  /// Tokenizes a data set; no item is longer than `maxLength`.
  ///
  /// Throws where answers are to end with a token that the tokenizer does not have, and where no record is left.
  public init(_ data: PromptedDataset, tokenizer: Tokenizer, maxLength: Int, pool: WorkerPool) throws {
    skipped = data.skipped
    let needsEnd = data.examples.contains { $0.ending == .endOfText || $0.endsPrompt }
    if needsEnd, tokenizer.endID == nil { throw TaskError.noEndOfText }
    for case .text(let ending) in data.examples.prefix(1).map(\.ending) where tokenizer.id(of: ending) == nil {
      throw TaskError.badTemplate(
        problem: "the chat template ends answers with \(ending), which is no token of the model's tokenizer")
    }
    let chunk = 64
    let chunks = pool.map((data.examples.count + chunk - 1) / chunk) { number, _ in
      data.examples[(number * chunk)..<min((number + 1) * chunk, data.examples.count)].map {
        Self.tokens(of: $0, tokenizer)
      }
    }
    var long: [Int] = [], cut: [Int] = []
    for (index, var tokens) in chunks.flatMap({ $0 }).enumerated() {
      let line = data.examples[index].line
      if tokens.targetStart >= maxLength {
        long.append(line)
        continue
      }
      if tokens.ids.count > maxLength {
        tokens.ids.removeSubrange(maxLength...)
        cut.append(line)
      }
      items.append((index, tokens))
    }
    if !long.isEmpty {
      skipped.append(
        SkippedRecords(file: data.file, reason: "a prompt longer than \(maxLength - 1) tokens", lines: long))
    }
    if !cut.isEmpty {
      cutAnswers = SkippedRecords(file: data.file, reason: "an answer that had to be cut", lines: cut)
    }
    if items.isEmpty { throw TaskError.nothingUsable(file: data.file, reasons: skipped.map(\.reason)) }
  }

  /// The tokens of one example, however long.
  static func tokens(of example: PromptedText, _ tokenizer: Tokenizer) -> PromptTokens {
    let end = [tokenizer.endID].compactMap { $0 }
    var answer = example.answer
    if case .text(let ending) = example.ending { answer += ending }
    var tokens: PromptTokens
    if example.endsPrompt {
      // The end-of-text token keeps the two apart, so that they are tokenized one by one.
      let prompt = tokenizer.encode(example.prompt).ids + end
      tokens = PromptTokens(ids: prompt + tokenizer.ids(of: answer), targetStart: prompt.count)
    } else {
      tokens = tokenizer.tokens(prompt: example.prompt, continuation: answer)
    }
    if example.ending == .endOfText { tokens.ids += end }
    return tokens
  }
}
