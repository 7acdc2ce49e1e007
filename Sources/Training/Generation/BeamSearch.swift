import Foundation

/// Beam search as transformers' `generate` does it (generation/utils.py, `_beam_search`), for one prompt.
struct BeamSearch: Sendable {
  let options: GenerationOptions
  let ends: Set<Int32>
  let stops: StopStrings?
  let longestText: Int

  private struct Beam {
    var tokens: [Int32]
    /// The sum of log-probabilities; of a finished beam, that with the length penalty.
    var score: Float
    var isFinished = false
    /// The beam that it continues.
    var parent = 0
  }

  private static let impossible: Float = -1e9

  func run(_ prompt: [Int32], _ session: DecodingSession) -> Generation {
    let rules = TokenRules(options: options, ends: ends), count = options.beams
    let limit = min(options.newTokens(after: prompt.count), longestText - prompt.count)
    // Twice as many candidates as beams, so that enough go on where the best ones end the text.
    let candidates = max(2, 1 + ends.count) * count
    var running = [Beam(tokens: [], score: 0)]
    var finished: [Beam] = []
    var canImprove = limit > 0
    var length = 0
    while canImprove {
      let texts = running.map { prompt + $0.tokens }
      let fresh = length == 0 ? texts : running.map { Array($0.tokens.suffix(1)) }
      let logits = session.logits(fresh: fresh, texts: texts)
      var continued: [Beam] = []
      for (number, beam) in running.enumerated() {
        var scores = logProbabilities(logits[number])
        rules.apply(to: &scores, text: texts[number], prompt: prompt.count)
        if options.renormalizes { scores = logProbabilities(scores) }
        for (token, score) in best(candidates, of: scores) {
          continued.append(Beam(tokens: beam.tokens + [token], score: score + beam.score, parent: number))
        }
      }
      continued = Array(stableSorted(continued).prefix(candidates))
      length += 1
      for index in continued.indices {
        let tokens = continued[index].tokens, last = tokens[length - 1]
        continued[index].isFinished =
          length == limit || ends.contains(last) || stops?.match(prompt + tokens, new: length) != nil
      }
      let isFull = finished.count == count && options.earlyStopping == .full
      if !isFull {
        let penalty = Float(pow(Double(length), options.lengthPenalty))
        let ended = continued.prefix(count).filter(\.isFinished).map { beam in
          var beam = beam
          beam.score /= penalty
          return beam
        }
        finished = Array(stableSorted(finished + ended).prefix(count))
      }
      let goingOn = continued.filter { !$0.isFinished }.prefix(count)
      guard !goingOn.isEmpty else { break }
      session.select(goingOn.map(\.parent))
      running = Array(goingOn)
      let reach = options.earlyStopping == .never && options.lengthPenalty > 0 ? limit : length
      let bound = running[0].score / Float(pow(Double(reach), options.lengthPenalty))
      let worst = finished.count == count ? finished[count - 1].score : Self.impossible
      canImprove = bound > worst && !(finished.count == count && options.earlyStopping == .full)
    }
    return result(finished.first?.tokens ?? [], after: prompt)
  }

  private func result(_ tokens: [Int32], after prompt: [Int32]) -> Generation {
    if let last = tokens.last, ends.contains(last) { return Generation(tokens: tokens.dropLast(), end: .endOfText) }
    guard let match = stops?.match(prompt + tokens, new: tokens.count) else {
      return Generation(tokens: tokens, end: .length)
    }
    return Generation(tokens: tokens, end: .stopString, shown: match.shown, rest: match.rest)
  }

  /// The highest scores with their tokens, the first of equal ones first.
  private func best(_ count: Int, of scores: [Float]) -> [(token: Int32, score: Float)] {
    var kept: [(token: Int32, score: Float)] = []
    for (index, score) in scores.enumerated() {
      if kept.count == count, score <= kept[count - 1].score { continue }
      let place = kept.firstIndex { $0.score < score } ?? kept.count
      kept.insert((Int32(index), score), at: place)
      if kept.count > count { kept.removeLast() }
    }
    return kept
  }

  private func stableSorted(_ beams: [Beam]) -> [Beam] {
    beams.enumerated().sorted { ($1.element.score, $0.offset) < ($0.element.score, $1.offset) }.map(\.element)
  }
}
