import Foundation

/// CIDEr of a corpus (Vedantam et al. 2015) as the E2E scripts (coco-caption) compute it: the mean over n-gram orders 1
/// to 4, references and examples of
///
///     10 · Σ min(h, r) r / (‖h‖ ‖r‖) · e^(−(difference in length)² / 2σ²),  σ = 6
///
/// where h and r are the tf-idf vectors of candidate and reference. An n-gram's document frequency is the number of
/// examples of which a reference has it.
func corpusCIDEr(_ corpus: TokenizedCorpus) -> Double {
  if corpus.items.isEmpty { return 0 }
  var frequencies: [Ngram: Int] = [:]
  for item in corpus.items {
    let ngrams = Set((1...4).flatMap { n in item.references.flatMap { NgramCounts($0, n).ngrams } })
    for ngram in ngrams { frequencies[ngram, default: 0] += 1 }
  }
  let documents = log(Double(corpus.items.count))
  func vectors(_ tokens: [Int32]) -> [TermVector] {
    (1...4).map { n in
      let counts = NgramCounts(tokens, n).entries
      return TermVector(
        counts.map { ($0.ngram, Double($0.count) * (documents - log(Double(max(1, frequencies[$0.ngram] ?? 0))))) })
    }
  }
  let sum = corpus.items.reduce(0.0) { sum, item in
    let candidate = vectors(item.candidate)
    let similarities = item.references.map { reference in
      // The scripts take the number of bigrams for the length.
      let difference = Double(max(0, item.candidate.count - 1) - max(0, reference.count - 1))
      let similarity = zip(candidate, vectors(reference)).reduce(0.0) { $0 + $1.0.similarity(to: $1.1) } / 4
      return similarity * exp(-difference * difference / 72)
    }
    return sum + 10 * similarities.reduce(0, +) / Double(similarities.count)
  }
  return sum / Double(corpus.items.count)
}

/// Weights of n-grams.
private struct TermVector {
  let entries: [(ngram: Ngram, weight: Double)]
  let weights: [Ngram: Double]
  let norm: Double

  init(_ entries: [(ngram: Ngram, weight: Double)]) {
    self.entries = entries
    weights = Dictionary(entries.map { ($0.ngram, $0.weight) }, uniquingKeysWith: { first, _ in first })
    norm = entries.reduce(0) { $0 + $1.weight * $1.weight }.squareRoot()
  }

  /// Cosine, with no weight of `self` counting more than that of `reference`.
  func similarity(to reference: TermVector) -> Double {
    guard norm > 0, reference.norm > 0 else { return 0 }
    let product = entries.reduce(0.0) { sum, entry in
      let other = reference.weights[entry.ngram] ?? 0
      return sum + min(entry.weight, other) * other
    }
    return product / (norm * reference.norm)
  }
}
