/// ROUGE-L as the E2E scripts (coco-caption) compute it: the mean over examples of
///
///     (1 + β²) P R / (R + β² P),  β = 1.2
///
/// where P and R are the longest common subsequence's share of the candidate and of the reference, each the highest over
/// the references.
func captionRougeL(_ corpus: TokenizedCorpus) -> Double {
  let squaredBeta = 1.2 * 1.2
  return mean(corpus) { candidate, references in
    let common = references.map { (Double(longestCommonSubsequence(candidate, $0)), Double($0.count)) }
    let precision = common.map { $0.0 / Double(candidate.count) }.max() ?? 0
    let recall = common.map { $0.1 == 0 ? 0 : $0.0 / $0.1 }.max() ?? 0
    if precision == 0 || recall == 0 { return 0 }
    return (1 + squaredBeta) * precision * recall / (recall + squaredBeta * precision)
  }
}

/// ROUGE-L as the PyPI package rouge-score computes it, without stemming: the mean over examples of the highest F1 over
/// the references, of runs of `a`–`z` and `0`–`9` in lower case.
public func rougeLF1(_ examples: [GenerationExample]) -> Double {
  let corpus = TokenizedCorpus(examples.filter { !$0.references.isEmpty }) { text in
    text.lowercased().unicodeScalars
      .split { !(0x61...0x7A).contains($0.value) && !(0x30...0x39).contains($0.value) }
      .map { String(String.UnicodeScalarView($0)) }
  }
  return mean(corpus) { candidate, references in
    references.map { reference in
      let common = Double(longestCommonSubsequence(candidate, reference))
      return 2 * common / Double(candidate.count + reference.count)
    }.max() ?? 0
  }
}

/// The mean of `score` over the examples; candidates without a token score 0.
private func mean(_ corpus: TokenizedCorpus, _ score: ([Int32], [[Int32]]) -> Double) -> Double {
  if corpus.items.isEmpty { return 0 }
  let sum = corpus.items.reduce(0.0) { sum, item in
    sum + (item.candidate.isEmpty ? 0 : score(item.candidate, item.references))
  }
  return sum / Double(corpus.items.count)
}

/// The length of the longest sequence that both hold in this order, gaps allowed.
func longestCommonSubsequence(_ a: [Int32], _ b: [Int32]) -> Int {
  var previous = [Int](repeating: 0, count: b.count + 1)
  for x in a {
    var current = [0]
    current.reserveCapacity(b.count + 1)
    for (j, y) in b.enumerated() { current.append(x == y ? previous[j] + 1 : max(previous[j + 1], current[j])) }
    previous = current
  }
  return previous[b.count]
}
