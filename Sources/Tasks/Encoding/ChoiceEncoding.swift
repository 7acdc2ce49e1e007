import Kernels
import Metrics
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
      self.lengths = lengths
      self.sharedTarget = sharedTarget
      self.number = number
    }
  }

  /// A question's item from the tokens of its prompt with every choice. Where these differ in their last tokens alone,
  /// as letters do, the rest is there once.
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
        documents: choices.map { Document(length: $0.ids.count, targets: [$0.targetStart..<$0.ids.count]) },
        choices: described)
    }
  }
}

/// How questions with choices become items.
public struct ChoiceEncoding: Sendable {
  /// How a question is put; nil: as the layout of its file suggests.
  let style: ChoiceStyle?
  /// Whether the right answers are to be learnt; otherwise all choices are compared.
  let toTrain: Bool

  /// Items of questions, with what could not be as it was asked for.
  private struct Encoded {
    var items: [EncodedDataset.Item] = []
    /// Lines of questions that are too long by themselves.
    var tooLong: [(line: Int, tokens: Int)] = []
    /// How many have fewer solved questions in front than asked for.
    var shortened = 0
  }

  private struct TooLong: Error { let tokens: Int }

  private struct Result: Sendable {
    let item: Swift.Result<EncodedDataset.Item, TooLong>
    let line: Int
    let isShortened: Bool
  }

  /// The first `limit` questions of a file or directory, `path`. Those that are too long are left out.
  func items(_ groups: [ChoiceGroup], limit: Int, path: String, _ encoder: TextEncoder) throws -> EncodedDataset {
    var items: [EncodedDataset.Item] = [], notices: [String] = [], number = 0, shortened = 0, asked = 0
    let reason = "more than \(encoder.maxLength) tokens (task.max_seq_length)"
    for group in groups where number < limit {
      let count = min(group.questions.questions.count, limit - number)
      let encoded = encode(group, first: number, count: count, encoder)
      items += encoded.items
      number += count
      shortened += encoded.shortened
      asked = max(asked, group.shots.count)
      if !encoded.tooLong.isEmpty {
        notices.append(
          SkippedRecords(file: group.questions.file, reason: reason, lines: encoded.tooLong.map(\.line)).description)
      }
    }
    if items.isEmpty { throw TaskError.nothingUsable(file: path, reasons: [reason]) }
    if shortened > 0 { notices.append(shortenedNotice(shortened, of: path, asked: asked, encoder)) }
    return EncodedDataset(items: items, leftOut: notices)
  }

  /// All questions of `group`. Throws where one is too long.
  func allItems(_ group: ChoiceGroup, _ encoder: TextEncoder) throws -> EncodedDataset {
    let questions = group.questions
    let encoded = encode(group, first: 0, count: questions.questions.count, encoder)
    if let long = encoded.tooLong.first {
      throw TaskError.badRecord(
        file: questions.file, line: long.line,
        problem: "the question takes \(long.tokens) tokens, more than \(encoder.maxLength) (task.max_seq_length)")
    }
    let notice = shortenedNotice(encoded.shortened, of: questions.file, asked: group.shots.count, encoder)
    return EncodedDataset(items: encoded.items, leftOut: encoded.shortened > 0 ? [notice] : [])
  }

  private func shortenedNotice(_ count: Int, of file: String, asked: Int, _ encoder: TextEncoder) -> String {
    let questions = count == 1 ? "1 question has" : "\(count) questions have"
    return "\(file): \(questions) fewer than \(asked) solved ones in front, so as to fit in "
      + "\(encoder.maxLength) tokens (task.max_seq_length)"
  }

  /// The first `count` questions of `group`, the first of which has the number `first` in its split.
  private func encode(_ group: ChoiceGroup, first: Int, count: Int, _ encoder: TextEncoder) -> Encoded {
    let questions = Array(group.questions.questions.prefix(count).enumerated())
    let results = encoder.pool.map(each: questions) { one($0.element, number: first + $0.offset, in: group, encoder) }
    return results.reduce(into: Encoded()) { all, result in
      all.shortened += result.isShortened ? 1 : 0
      switch result.item {
      case .success(let item): all.items.append(item)
      case .failure(let failure): all.tooLong.append((result.line, failure.tokens))
      }
    }
  }

  /// Solved questions are left away from the end, until the others fit: as in MMLU's own program.
  private func one(
    _ question: ChoiceQuestion, number: Int, in group: ChoiceGroup, _ encoder: TextEncoder
  ) -> Result {
    let style = style ?? ChoiceStyle(of: group.questions), continuations = style.continuations(of: question)
    let wanted = toTrain ? [question.answer ?? 0] : Array(continuations.indices)
    var shots = toTrain ? [] : group.shots[...]
    while true {
      let prompt = style.prompt(for: question, subject: group.questions.subject, shots: Array(shots))
      let tokens = wanted.map { encoder.tokenizer.tokens(prompt: prompt, continuation: continuations[$0]) }
      let longest = tokens.map(\.ids.count).max() ?? 0, isShortened = !toTrain && shots.count < group.shots.count
      if longest <= encoder.maxLength {
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
