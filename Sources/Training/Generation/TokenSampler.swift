import Algorithms
import Foundation
import Kernels

/// Chooses the next token: the likeliest, or one drawn from those that the filters leave, in the order of transformers'
/// logits processors.
struct TokenSampler: Sendable {
  let options: GenerationOptions

  /// A token that may be drawn.
  struct Candidate {
    let token: Int32
    /// The logit, divided by the temperature.
    let score: Double
    /// Of the candidates that were left when it was last computed.
    var probability = 0.0
  }

  /// The next token. Which one is drawn depends on the seed, `stream` and `step` alone.
  func choose(_ scores: [Float], stream: Int, step: Int) -> Int32 {
    guard options.samples else { return Int32(largest(scores)) }
    let candidates = candidates(scores)
    let words = Philox(seed: options.seed).words(
      2, purpose: .sampling, stream: UInt64(stream) << 32 | UInt64(step))
    let random = Double(UInt64(words[0]) << 21 ^ UInt64(words[1]) >> 11) * 0x1p-53
    var left = random
    for candidate in candidates {
      left -= candidate.probability
      if left < 0 { return candidate.token }
    }
    return candidates.last?.token ?? 0
  }

  /// The tokens that may be drawn with their probabilities, the likeliest first.
  func candidates(_ scores: [Float]) -> [Candidate] {
    var floor = -Float.infinity
    if options.topK > 0, options.topK < scores.count {
      // Equal scores stay or go together.
      floor = scores.max(count: options.topK).first ?? floor
    }
    var candidates = scores.enumerated().filter { $0.element > -.infinity && $0.element >= floor }
      .map { Candidate(token: Int32($0.offset), score: Double($0.element) / options.temperature) }
    candidates.sort { ($1.score, $0.token) < ($0.score, $1.token) }
    normalize(&candidates)
    if options.topP < 1 { keepSmallest(&candidates, mass: options.topP) }
    if options.minP > 0 { keep(&candidates, atLeast: options.minP * (candidates.first?.probability ?? 0)) }
    if options.typicalP < 1 { keepTypical(&candidates) }
    if options.epsilonCutoff > 0 { keep(&candidates, atLeast: options.epsilonCutoff) }
    if options.etaCutoff > 0 {
      let bound = options.etaCutoff.squareRoot() * exp(-entropy(candidates))
      keep(&candidates, atLeast: min(options.etaCutoff, bound))
    }
    return candidates
  }

  private func normalize(_ candidates: inout [Candidate]) {
    guard let top = candidates.first?.score else { return }
    let sum = candidates.reduce(0.0) { $0 + exp($1.score - top) }
    for index in candidates.indices { candidates[index].probability = exp(candidates[index].score - top) / sum }
  }

  /// Keeps the first candidates whose probabilities add up to `mass`.
  private func keepSmallest(_ candidates: inout [Candidate], mass: Double) {
    var sum = 0.0
    let kept = candidates.prefix { candidate in
      defer { sum += candidate.probability }
      return sum < mass
    }
    candidates.removeLast(candidates.count - max(1, kept.count))
    normalize(&candidates)
  }

  /// Keeps candidates of at least this probability, and all as likely as the first.
  private func keep(_ candidates: inout [Candidate], atLeast least: Double) {
    guard let top = candidates.first?.score else { return }
    candidates.removeAll { $0.probability < least && $0.score < top }
    normalize(&candidates)
  }

  /// Keeps the candidates whose surprise is nearest to the expected one and whose probabilities add up to `typicalP`.
  private func keepTypical(_ candidates: inout [Candidate]) {
    let expected = entropy(candidates)
    func distance(_ candidate: Candidate) -> Double { abs(-log(candidate.probability) - expected) }
    let ranked = candidates.sorted { distance($0) < distance($1) }
    var sum = 0.0
    let below = ranked.prefix { candidate in
      sum += candidate.probability
      return sum < options.typicalP
    }
    guard let last = ranked.dropFirst(below.count).first ?? ranked.last else { return }
    candidates.removeAll { distance($0) > distance(last) }
    normalize(&candidates)
  }

  private func entropy(_ candidates: [Candidate]) -> Double {
    candidates.reduce(0.0) { $1.probability > 0 ? $0 - $1.probability * log($1.probability) : $0 }
  }

  private func largest(_ scores: [Float]) -> Int {
    var best = 0
    scores.withUnsafeBufferPointer { scores in
      for index in scores.indices where scores[index] > scores[best] { best = index }
    }
    return best
  }
}
