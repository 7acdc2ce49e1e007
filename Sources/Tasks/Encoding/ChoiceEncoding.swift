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
struct ChoiceEncoding: Sendable {
  /// How a question is put; nil: as the layout of its file suggests.
  let style: ChoiceStyle?
  /// Whether the right answers are to be learnt; otherwise all choices are compared.
  let toTrain: Bool

  /// A question's item, or how many tokens it has, where those are too many even without solved questions in front.
  private struct Encoded: Sendable {
    let item: EncodedDataset.Item?
    let tokens: Int
    let line: Int
    /// Whether it has fewer solved questions in front than asked for.
    var isShortened = false
  }

  /// The first `limit` questions of a file or directory, `path`. Those that are too long are left out, or an error if
  /// `needsAll`.
  func items(
    _ groups: [ChoiceGroup], limit: Int = .max, needsAll: Bool = false, path: String, _ encoder: TextEncoder
  ) throws -> EncodedDataset {
    var items: [EncodedDataset.Item] = [], notices: [String] = [], number = 0, shortened = 0, asked = 0
    let limits = "\(encoder.maxLength) tokens (task.max_seq_length)"
    for group in groups where number < limit {
      let questions = Array(group.questions.questions.prefix(limit - number).enumerated()), first = number
      let encoded = encoder.pool.map(each: questions) { encode($0.element, number: first + $0.offset, group, encoder) }
      let tooLong = encoded.filter { $0.item == nil }
      if needsAll, let long = tooLong.first {
        throw TaskError.badRecord(
          file: path, line: long.line,
          problem: "the question takes \(long.tokens) tokens, more than \(encoder.maxLength) (task.max_seq_length)")
      }
      items += encoded.compactMap(\.item)
      number += questions.count
      shortened += encoded.count(where: \.isShortened)
      asked = max(asked, group.shots.count)
      if !tooLong.isEmpty {
        notices.append(
          SkippedRecords(file: group.questions.file, reason: "more than \(limits)", lines: tooLong.map(\.line))
            .description)
      }
    }
    if items.isEmpty { throw TaskError.nothingUsable(file: path, reasons: ["more than \(limits)"]) }
    if shortened > 0 {
      let questions = shortened == 1 ? "1 question has" : "\(shortened) questions have"
      notices.append("\(path): \(questions) fewer than \(asked) solved ones in front, so as to fit in \(limits)")
    }
    return EncodedDataset(items: items, leftOut: notices)
  }

  /// Solved questions are left away from the end, until the others fit: as in MMLU's own program.
  private func encode(
    _ question: ChoiceQuestion, number: Int, _ group: ChoiceGroup, _ encoder: TextEncoder
  ) -> Encoded {
    let style = style ?? ChoiceStyle(of: group.questions), continuations = style.continuations(of: question)
    let wanted = toTrain ? [question.answer ?? 0] : Array(continuations.indices)
    var shots = toTrain ? [] : group.shots[...]
    while true {
      let prompt = style.prompt(for: question, subject: group.questions.subject, shots: Array(shots))
      let tokens = wanted.map { encoder.tokenizer.tokens(prompt: prompt, continuation: continuations[$0]) }
      let longest = tokens.map(\.ids.count).max() ?? 0
      if longest <= encoder.maxLength {
        return Encoded(
          item: item(tokens, question, style, number), tokens: longest, line: question.line,
          isShortened: !toTrain && shots.count < group.shots.count)
      }
      if shots.popLast() == nil { return Encoded(item: nil, tokens: longest, line: question.line) }
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
