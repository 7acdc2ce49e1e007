/// Examples as numbered tokens.
struct TokenizedCorpus: Sendable {
  struct Item: Sendable {
    var candidate: [Int32]
    var references: [[Int32]]
  }

  let items: [Item]

  init(_ examples: [GenerationExample], tokenize: (String) -> [String]) {
    var numbers: [String: Int32] = [:]
    func numbered(_ text: String) -> [Int32] {
      tokenize(text).map { token in
        if let number = numbers[token] { return number }
        let number = Int32(numbers.count)
        numbers[token] = number
        return number
      }
    }
    items = examples.map { Item(candidate: numbered($0.candidate), references: $0.references.map(numbered)) }
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
