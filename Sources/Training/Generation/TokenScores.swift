import Foundation
import Kernels

/// The rules that change the scores of next tokens, in the order of transformers' logits processors.
struct TokenRules: Sendable {
  let options: GenerationOptions

  /// Applies the repetition penalty and the ban on repeated n-grams. `text` is the prompt and what followed.
  func apply(to scores: inout [Float], text: [Int32]) {
    if options.repetitionPenalty != 1 {
      let penalty = Float(options.repetitionPenalty)
      for token in Set(text) {
        let score = scores[Int(token)]
        scores[Int(token)] = score < 0 ? score * penalty : score / penalty
      }
    }
    for token in bannedTokens(text) { scores[Int(token)] = -.infinity }
  }

  /// Tokens that would repeat one of the text's n-grams.
  private func bannedTokens(_ text: [Int32]) -> Set<Int32> {
    let size = options.noRepeatNGramSize
    guard size > 0, text.count + 1 >= size else { return [] }
    let prefix = text.suffix(size - 1)
    var banned: Set<Int32> = []
    for end in stride(from: size - 1, to: text.count, by: 1) where text[(end - size + 1)..<end] == prefix {
      banned.insert(text[end])
    }
    return banned
  }

  /// The next token: the likeliest, or drawn. Which one is drawn depends on the seed, `stream` and `step` alone.
  func choose(_ scores: [Float], stream: Int, step: Int) -> Int32 {
    guard options.samples else { return Int32(largest(scores)) }
    var candidates = scores.enumerated().filter { $0.element > -.infinity }
      .map { (token: $0.offset, score: Double($0.element) / options.temperature) }
    candidates.sort { ($1.score, $0.token) < ($0.score, $1.token) }
    if options.topK > 0 { candidates.removeLast(max(0, candidates.count - options.topK)) }
    guard let top = candidates.first else { return 0 }
    var weights = candidates.map { exp($0.score - top.score) }
    if options.topP < 1 {
      // The smallest set whose share is at least top_p.
      let goal = options.topP * weights.reduce(0, +)
      var sum = 0.0, kept = 0
      while kept < weights.count, sum < goal {
        sum += weights[kept]
        kept += 1
      }
      weights.removeLast(weights.count - max(1, kept))
    }
    let words = Philox(seed: options.seed).words(
      2, purpose: .sampling, stream: UInt64(stream) << 32 | UInt64(step))
    let random = Double(UInt64(words[0]) << 21 ^ UInt64(words[1]) >> 11) * 0x1p-53
    var left = random * weights.reduce(0, +)
    for (weight, candidate) in zip(weights, candidates) {
      left -= weight
      if left < 0 { return Int32(candidate.token) }
    }
    return Int32(candidates[weights.count - 1].token)
  }

  private func largest(_ scores: [Float]) -> Int {
    var best = 0
    scores.withUnsafeBufferPointer { scores in
      for index in scores.indices where scores[index] > scores[best] { best = index }
    }
    return best
  }
}

/// log softmax of logits.
func logProbabilities(_ logits: [Float]) -> [Float] {
  let top = logits.max() ?? 0
  let sum = logits.reduce(0.0) { $0 + Double(exp($1 - top)) }
  let shift = top + Float(log(sum))
  return logits.map { $0 - shift }
}
