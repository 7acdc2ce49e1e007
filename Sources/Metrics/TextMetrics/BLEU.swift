import Foundation

/// BLEU of a corpus (Papineni et al. 2002): n-grams up to 4, each counted at most as often as one reference has it;
/// the reference nearest in length counts for the brevity penalty, of two the shorter.
///
///     BLEU = min(1, e^(1 − r/c)) · (p₁ p₂ p₃ p₄)^¼
///
/// Where an order has no match its hits are 10⁻¹⁵, as in the E2E scripts: 0 to any number of digits that matters.
func corpusBLEU(_ corpus: TokenizedCorpus) -> Double {
  let length = corpus.items.reduce(0) { $0 + $1.candidate.count }
  guard length > 0 else { return 0 }
  var logarithm = 0.0
  for n in 1...4 {
    var hits = 0, total = 0
    for item in corpus.items {
      let references = highestCounts(item.references, n)
      for (ngram, count) in NgramCounts(item.candidate, n).counts { hits += min(count, references[ngram] ?? 0) }
      total += max(0, item.candidate.count - n + 1)
    }
    logarithm += log(max(Double(hits), 1e-15) / max(Double(total), 1e-9)) / 4
  }
  let nearest = corpus.items.reduce(0) { sum, item in
    let lengths = item.references.map(\.count)
    func distance(_ length: Int) -> (Int, Int) { (abs(length - item.candidate.count), length) }
    return sum + (lengths.min { distance($0) < distance($1) } ?? 0)
  }
  let penalty = length < nearest ? 1 - Double(nearest) / Double(length) : 0
  return exp(penalty + logarithm)
}
