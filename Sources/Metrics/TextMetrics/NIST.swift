import Foundation

/// NIST of a corpus (Doddington 2002), n-grams up to 5, as the E2E scripts compute it.
///
/// A matching n-gram counts by its information, log₂ (occurrences without its last word / occurrences) in all
/// references; lengths are compared with the average reference:
///
///     NIST = Σₙ (Σ matching info / number of n-grams) · e^(ln ½ · (ln min(1, c/r) / ln 1.5)²)
func corpusNIST(_ corpus: TokenizedCorpus) -> Double {
  let length = corpus.items.reduce(0) { $0 + $1.candidate.count }
  let referenceLength = corpus.items.reduce(0.0) { sum, item in
    sum + Double(item.references.reduce(0) { $0 + $1.count }) / Double(item.references.count)
  }
  guard length > 0, referenceLength > 0 else { return 0 }
  // Occurrences of every n-gram; of the empty one as many as there are words.
  var occurrences: [Ngram: Int] = [:]
  for reference in corpus.items.flatMap(\.references) {
    occurrences[[], default: 0] += reference.count
    for n in 1...5 { occurrences.merge(NgramCounts(reference, n).counts, uniquingKeysWith: +) }
  }
  var sum = 0.0
  for n in 1...5 {
    var information = 0.0, total = 0
    for item in corpus.items {
      let references = highestCounts(item.references, n)
      for (ngram, count) in NgramCounts(item.candidate, n).entries {
        guard let reference = references[ngram], let whole = occurrences[ngram] else { continue }
        let part = occurrences[ngram.dropLast()] ?? whole
        information += log2(Double(part) / Double(whole)) * Double(min(count, reference))
      }
      total += max(0, item.candidate.count - n + 1)
    }
    if total > 0 { sum += information / Double(total) }
  }
  let ratio = min(1, Double(length) / referenceLength)
  return sum * exp(log(0.5) * pow(log(ratio) / log(1.5), 2))
}
