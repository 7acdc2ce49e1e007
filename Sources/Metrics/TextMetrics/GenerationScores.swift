/// A text that a model wrote, and the texts that people wrote for the same thing.
public struct GenerationExample: Sendable, Equatable {
  /// What is scored.
  public let candidate: String
  /// What it is compared with, at least one.
  public let references: [String]

  /// An example; without references it counts for nothing.
  public init(candidate: String, references: [String]) {
    (self.candidate, self.references) = (candidate, references)
  }
}

/// The corpus-level scores of the E2E NLG challenge, all but METEOR.
public struct GenerationScores: Sendable, Equatable {
  /// 0 … 1.
  public let bleu: Double
  /// From 0; about 8 on E2E.
  public let nist: Double
  /// 0 … 1.
  public let rougeL: Double
  /// From 0 to 10.
  public let cider: Double

  /// The scores by their names in results.
  public var named: [(name: String, value: Double)] {
    [("bleu", bleu), ("nist", nist), ("rouge_l", rougeL), ("cider", cider)]
  }

  /// Scores `examples` as the E2E challenge's scripts do: BLEU and NIST of mteval-13a's tokens in lower case, ROUGE-L
  /// and CIDEr of words without punctuation. Without examples all are 0.
  public init(_ examples: [GenerationExample]) {
    let examples = examples.filter { !$0.references.isEmpty }
    let tokens = TokenizedCorpus(examples) { mtevalTokens($0, lowercased: true) }
    let words = TokenizedCorpus(examples, tokenize: captionWords)
    bleu = corpusBLEU(tokens)
    nist = corpusNIST(tokens)
    rougeL = captionRougeL(words)
    cider = corpusCIDEr(words)
  }
}

/// Examples as numbered tokens.
struct TokenizedCorpus: Sendable {
  let items: [(candidate: [Int32], references: [[Int32]])]

  init(_ examples: [GenerationExample], tokenize: (String) -> [String]) {
    // By their bytes: equal `String`s may have other code points.
    var numbers: [[UInt8]: Int32] = [:]
    func numbered(_ text: String) -> [Int32] {
      tokenize(text).map { token in
        let bytes = Array(token.utf8)
        if let number = numbers[bytes] { return number }
        let number = Int32(numbers.count)
        numbers[bytes] = number
        return number
      }
    }
    items = examples.map { (numbered($0.candidate), $0.references.map(numbered)) }
  }
}
