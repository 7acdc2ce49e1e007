import Configuration
import Metrics
import Tasks
import Tokenizers

extension EncodedDataset.Item {
  /// Which ids of an item are the choices of its question.
  public struct Choices: Sendable, Equatable {
    /// What a choice's log-likelihood is divided by for `accuracy_norm`.
    public let lengths: [Int]
    /// Where choices differ in their last tokens alone, the item's ids are what they share and then the last token of
    /// each; predictions count from this token on. Nil: every choice is a document of its own, behind its prompt.
    public let sharedTarget: Int?
    /// The question's number in its split, counted from 0, those that were left out included.
    public let number: Int

    /// A description of an item's choices.
    public init(lengths: [Int], sharedTarget: Int?, number: Int) {
      (self.lengths, self.sharedTarget, self.number) = (lengths, sharedTarget, number)
    }
  }

  /// A question's item from the tokens of its prompt with every choice. Where these differ in their last tokens alone, as
  /// letters do, the rest is there once.
  public init(choices: [PromptTokens], lengths: [Int], number: Int, answer: Int?) {
    let label = answer.map(Label.classIndex), first = choices[0], shared = first.ids.dropLast()
    let share = choices.allSatisfy { $0.targetStart == first.targetStart && $0.ids.dropLast() == shared }
    let described = Choices(lengths: lengths, sharedTarget: share ? first.targetStart : nil, number: number)
    if share {
      self.init(
        ids: shared + choices.map { $0.ids[$0.ids.count - 1] }, typeIDs: [], label: label, choices: described)
    } else {
      self.init(
        ids: choices.flatMap(\.ids), typeIDs: [], label: label,
        documents: choices.map { Document(length: $0.ids.count, firstTarget: $0.targetStart) }, choices: described)
    }
  }
}

/// Turns questions into items: for training the right answers to be learnt, else all choices to be compared.
struct ChoiceEncoder: Sendable {
  let tokenizer: Tokenizer
  /// The most tokens of a prompt with its answer.
  let limit: Int
  let style: ChoiceStyle?
  let toTrain: Bool

  /// Items of questions, with what could not be as it was asked for.
  struct Encoded: Sendable {
    var items: [EncodedDataset.Item] = []
    /// Lines of questions that are too long by themselves.
    var tooLong: [(line: Int, tokens: Int)] = []
    /// How many have fewer solved questions in front than asked for.
    var shortened = 0
  }

  /// The questions of `group`, the first of which has the number `first` in its split.
  func encode(_ group: ChoiceGroup, first: Int, count: Int, pool: WorkerPool) -> Encoded {
    let questions = Array(group.questions.questions.prefix(count).enumerated())
    let results = pool.chunks(questions) { [self] in one($0.element, number: first + $0.offset, in: group) }
    return results.reduce(into: Encoded()) { all, result in
      all.shortened += result.isShortened ? 1 : 0
      switch result.item {
      case .success(let item): all.items.append(item)
      case .failure(let failure): all.tooLong.append((result.line, failure.tokens))
      }
    }
  }

  private struct TooLong: Error { let tokens: Int }

  private struct Result: Sendable {
    let item: Swift.Result<EncodedDataset.Item, TooLong>
    let line: Int
    let isShortened: Bool
  }

  /// Solved questions are left away from the end, until the others fit: as in MMLU's own program.
  private func one(_ question: ChoiceQuestion, number: Int, in group: ChoiceGroup) -> Result {
    let style = style ?? ChoiceStyle(of: group.questions), continuations = style.continuations(of: question)
    let wanted = toTrain ? [question.answer ?? 0] : Array(continuations.indices)
    var shots = toTrain ? [] : group.shots[...]
    while true {
      let prompt = style.prompt(for: question, subject: group.questions.subject, shots: Array(shots))
      let tokens = wanted.map { tokenizer.tokens(prompt: prompt, continuation: continuations[$0]) }
      let longest = tokens.map(\.ids.count).max() ?? 0, isShortened = !toTrain && shots.count < group.shots.count
      if longest <= limit {
        return Result(
          item: .success(item(tokens, question, style, number)), line: question.line, isShortened: isShortened)
      }
      if shots.popLast() == nil {
        return Result(item: .failure(TooLong(tokens: longest)), line: question.line, isShortened: false)
      }
    }
  }

  private func item(
    _ tokens: [PromptTokens], _ question: ChoiceQuestion, _ style: ChoiceStyle, _ number: Int
  ) -> EncodedDataset.Item {
    if !toTrain {
      return EncodedDataset.Item(
        choices: tokens, lengths: style.lengths(of: question), number: number, answer: question.answer)
    }
    let (ids, start) = (tokens[0].ids, tokens[0].targetStart)
    return EncodedDataset.Item(prompt: Array(ids[..<start]), answer: Array(ids[start...]))
  }
}

extension LanguageTaskData {
  private func choiceEncoder(_ tokens: LanguageTokens, toTrain: Bool) -> ChoiceEncoder {
    ChoiceEncoder(
      tokenizer: tokens.tokenizer, limit: config.maxSeqLength, style: config.choiceStyle.flatMap(ChoiceStyle.init),
      toTrain: toTrain)
  }

  /// The questions of a split, each by its right answer alone where they are `toTrain`.
  func choices(
    _ split: Split, limit: Int, _ tokens: LanguageTokens, toTrain: Bool, pool: WorkerPool
  ) throws -> EncodedDataset {
    let groups = try source.questions(split, shots: toTrain ? 0 : config.numFewshot, shotsFile: config.fewshotFile)
    let encoder = choiceEncoder(tokens, toTrain: toTrain), most = config.maxSeqLength
    var items: [EncodedDataset.Item] = [], notices: [String] = [], number = 0, shortened = 0, asked = 0
    for group in groups where number < limit {
      let count = min(group.questions.questions.count, limit - number)
      let encoded = encoder.encode(group, first: number, count: count, pool: pool)
      items += encoded.items
      number += count
      shortened += encoded.shortened
      asked = max(asked, group.shots.count)
      if !encoded.tooLong.isEmpty {
        notices.append(
          SkippedRecords(
            file: group.questions.file, reason: "more than \(most) tokens (task.max_seq_length)",
            lines: encoded.tooLong.map(\.line)
          ).description)
      }
    }
    if items.isEmpty {
      throw TaskError.nothingUsable(
        file: try source.path(split), reasons: ["more than \(most) tokens (task.max_seq_length)"])
    }
    if shortened > 0 { notices.append(shortenedNotice(shortened, of: try source.path(split), asked: asked)) }
    return EncodedDataset(items: items, leftOut: notices)
  }

  /// Questions from elsewhere, all of them. Throws where one is too long.
  func choices(of questions: ChoiceQuestions, _ tokens: LanguageTokens, pool: WorkerPool) throws -> EncodedDataset {
    let group = try LanguageSource.group(questions, shots: config.numFewshot, shotsFile: config.fewshotFile)
    let encoded = choiceEncoder(tokens, toTrain: false).encode(
      group, first: 0, count: questions.questions.count, pool: pool)
    if let long = encoded.tooLong.first {
      throw TaskError.badRecord(
        file: questions.file, line: long.line,
        problem: "the question takes \(long.tokens) tokens, more than \(config.maxSeqLength) (task.max_seq_length)")
    }
    let notice = shortenedNotice(encoded.shortened, of: questions.file, asked: group.shots.count)
    return EncodedDataset(items: encoded.items, leftOut: encoded.shortened > 0 ? [notice] : [])
  }

  private func shortenedNotice(_ count: Int, of file: String, asked: Int) -> String {
    let questions = count == 1 ? "1 question has" : "\(count) questions have"
    return "\(file): \(questions) fewer than \(asked) solved ones in front, so as to fit in "
      + "\(config.maxSeqLength) tokens (task.max_seq_length)"
  }
}
