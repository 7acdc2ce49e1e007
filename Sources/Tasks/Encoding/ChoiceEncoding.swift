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
      (self.lengths, self.sharedTarget, self.number) = (lengths, sharedTarget, number)
    }
  }

  /// A question's item from the tokens of its prompt with every choice. Where these differ in their last tokens alone,
  /// as letters do, the rest is there once.
  init(choices: [PromptTokens], lengths: [Int], number: Int, answer: Int?) {
    let first = choices[0], shared = first.ids.dropLast()
    let share = choices.allSatisfy { $0.targetStart == first.targetStart && $0.ids.dropLast() == shared }
    self.init(
      ids: share ? shared + choices.map { $0.ids[$0.ids.count - 1] } : choices.flatMap(\.ids),
      label: answer.map(Label.classIndex),
      documents: share
        ? [] : choices.map { Document(length: $0.ids.count, targets: [$0.targetStart..<$0.ids.count]) },
      choices: Choices(lengths: lengths, sharedTarget: share ? first.targetStart : nil, number: number))
  }
}

/// Tokens, special ones included, of which a model is scored on those from `targetStart` on.
package typealias PromptTokens = (ids: [Int32], targetStart: Int)

extension Tokenizer {
  /// The tokens of `prompt` followed by `continuation`, tokenized as one text, as a model meets it. A token that reaches
  /// over the border belongs to the continuation.
  package func tokens(prompt: String, continuation: String) -> PromptTokens {
    let whole = encode(prompt + continuation).ids, alone = encode(prompt).ids
    let shared = zip(whole, alone).prefix { $0 == $1 }.count
    // Something always stands before the answer to predict its first token.
    return (whole, max(shared, min(1, whole.count)))
  }
}

struct ChoiceEncoding: Sendable {
  let encoder: TextEncoder
  /// How a question is put; nil: as is usual for the layout of its file.
  let style: ChoiceStyle?
  /// Whether the right answers are to be learnt; otherwise all choices are compared.
  let toTrain: Bool

  /// The first `limit` questions of a file or directory, `path`. Those that are too long are left out, or an error if
  /// `needsAll`.
  func items(
    _ groups: [ChoiceGroup], limit: Int = .max, needsAll: Bool = false, path: String
  ) throws -> EncodedDataset {
    var items: [EncodedDataset.Item] = [], notices: [String] = [], number = 0, shortened = 0, asked = 0
    let limits = "\(encoder.maxLength) tokens (task.max_seq_length)"
    for group in groups where number < limit {
      let questions = Array(group.questions.questions.prefix(limit - number).enumerated()), first = number
      let encoded = encoder.pool.map(each: questions) { encode($0.element, number: first + $0.offset, group) }
      let tooLong = zip(questions, encoded).filter { $1.item == nil }.map { (line: $0.element.line, tokens: $1.tokens) }
      if needsAll, let long = tooLong.first {
        throw TaskError.badRecord(
          file: group.questions.file, line: long.line,
          problem: "the question takes \(long.tokens) tokens, more than \(encoder.maxLength) (task.max_seq_length)")
      }
      items += encoded.compactMap(\.item)
      number += questions.count
      shortened += encoded.count { $0.item != nil && $0.shots < group.shots.count }
      asked = max(asked, group.shots.count)
      if !tooLong.isEmpty {
        let records = counted(tooLong.count, "record")
        notices.append(
          notice(
            "left out \(records) with more than \(limits)", file: group.questions.file, lines: tooLong.map(\.line)))
      }
    }
    if items.isEmpty { throw TaskError.nothingUsable(file: path, reasons: ["more than \(limits)"]) }
    if shortened > 0, !toTrain {
      let questions = shortened == 1 ? "1 question has" : "\(shortened) questions have"
      notices.append("\(path): \(questions) fewer than \(asked) solved ones in front, so as to fit in \(limits)")
    }
    return EncodedDataset(items: items, leftOut: notices)
  }

  /// A question's item, with its number of tokens and of solved questions in front. Solved questions are left away from
  /// the end, until the others fit, as in MMLU's own program; nil where none fits.
  private func encode(
    _ question: ChoiceQuestion, number: Int, _ group: ChoiceGroup
  ) -> (item: EncodedDataset.Item?, tokens: Int, shots: Int) {
    let style = style ?? group.questions.usualStyle, continuations = style.continuations(of: question)
    let wanted = toTrain ? [question.answer ?? 0] : Array(continuations.indices)
    var shots = toTrain ? [] : group.shots[...]
    while true {
      let prompt = style.prompt(for: question, subject: group.questions.subject, shots: Array(shots))
      let tokens = wanted.map { encoder.tokenizer.tokens(prompt: prompt, continuation: continuations[$0]) }
      let longest = tokens.map(\.ids.count).max() ?? 0
      if longest > encoder.maxLength {
        if shots.popLast() == nil { return (nil, longest, 0) }
        continue
      }
      let (ids, start) = tokens[0]
      let item =
        toTrain
        ? EncodedDataset.Item(prompt: Array(ids[..<start]), answer: Array(ids[start...]))
        : EncodedDataset.Item(
          choices: tokens, lengths: style.lengths(of: question), number: number, answer: question.answer)
      return (item, longest, shots.count)
    }
  }
}
