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

/// An n-gram, a stretch of some text.
typealias Ngram = ArraySlice<Int32>

/// How often each n-gram of a text occurs.
struct NgramCounts: Sendable {
  /// In the order of their first occurrence, so that sums over them are the same in every run.
  private(set) var ngrams: [Ngram] = []
  private(set) var counts: [Ngram: Int] = [:]

  init(_ tokens: [Int32], _ n: Int) {
    for start in 0..<max(0, tokens.count - n + 1) {
      let ngram = tokens[start..<(start + n)]
      counts[ngram, default: 0] += 1
      if counts[ngram] == 1 { ngrams.append(ngram) }
    }
  }

  /// N-grams with their counts, in order.
  var entries: [(ngram: Ngram, count: Int)] { ngrams.map { ($0, counts[$0] ?? 0) } }
}

/// How often each n-gram occurs at most in one of `texts`.
func highestCounts(_ texts: [[Int32]], _ n: Int) -> [Ngram: Int] {
  texts.reduce(into: [:]) { highest, text in highest.merge(NgramCounts(text, n).counts) { max($0, $1) } }
}
