import Foundation

/// The rules that change the scores of next tokens, in the order of transformers' logits processors.
struct TokenRules: Sendable {
  let options: GenerationOptions
  /// The tokens that end a text.
  let ends: Set<Int32>

  /// Applies all rules. `text` is the prompt, of `prompt` tokens, and what followed.
  func apply(to scores: inout [Float], text: [Int32], prompt: Int) {
    if options.repetitionPenalty != 1 {
      let penalty = Float(options.repetitionPenalty)
      for token in Set(text) {
        let score = scores[Int(token)]
        scores[Int(token)] = score < 0 ? score * penalty : score / penalty
      }
    }
    rule(out: repeatingTokens(text), of: &scores)
    rule(out: options.badWords.compactMap { badWord($0, after: text) }, of: &scores)
    if options.mustGoOn(prompt: prompt, new: text.count - prompt) { rule(out: ends, of: &scores) }
    rule(out: options.suppressedTokens, of: &scores)
    if text.count == prompt { rule(out: options.suppressedAtStart, of: &scores) }
  }

  private func rule(out tokens: some Sequence<Int32>, of scores: inout [Float]) {
    for token in tokens where scores.indices.contains(Int(token)) { scores[Int(token)] = -.infinity }
  }

  /// Tokens that would repeat one of the text's n-grams.
  private func repeatingTokens(_ text: [Int32]) -> Set<Int32> {
    let size = options.noRepeatNGramSize
    guard size > 0, text.count + 1 >= size else { return [] }
    let prefix = text.suffix(size - 1)
    var banned: Set<Int32> = []
    for end in stride(from: size - 1, to: text.count, by: 1) where text[(end - size + 1)..<end] == prefix {
      banned.insert(text[end])
    }
    return banned
  }

  /// The last token of a bad word whose other tokens end the text. A token that ends texts is no bad word.
  private func badWord(_ word: [Int32], after text: [Int32]) -> Int32? {
    guard let last = word.last, !(word.count == 1 && ends.contains(last)) else { return nil }
    return text.suffix(word.count - 1).elementsEqual(word.dropLast()) ? last : nil
  }
}

/// log softmax of logits.
func logProbabilities(_ logits: [Float]) -> [Float] {
  let top = logits.max() ?? 0
  let sum = logits.reduce(0.0) { $0 + Double(exp($1 - top)) }
  let shift = top + Float(log(sum))
  return logits.map { $0 - shift }
}
