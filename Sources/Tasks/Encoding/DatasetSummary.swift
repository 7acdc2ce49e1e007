import Metrics

/// How long the examples of a split are, how many were cut, and what is to be learnt from them.
public struct DatasetSummary: Sendable, Equatable {
  /// Examples: texts, pairs, questions, or rows of documents.
  public let examples: Int
  /// Their tokens, special ones included, after they were cut.
  public let lengths: LengthSummary
  /// Examples that have all the tokens that `max_seq_length` allows.
  public let atLimit: Int
  /// Texts and pairs that were cut.
  public let cut: Int
  /// The most tokens that a text or pair would have had uncut.
  public let longestUncut: Int
  /// What the examples are labelled with; nil where nothing has a label.
  public let labels: LabelSummary?
  /// Language models: tokens whose prediction counts; nil for others.
  public let targets: Int?
  /// Language models: documents, of which several may share a row; nil for others.
  public let documents: Int?
  /// Language models: rows of several documents; nil for others.
  public let packedRows: Int?

  /// Counts what `data` has. `labels` names its labels, and `limit` is `max_seq_length`.
  public init(_ data: EncodedDataset, labels space: LabelSpace?, limit: Int) {
    let items = data.items, isLanguage = items.contains { !$0.documents.isEmpty || $0.choices != nil }
    examples = items.count
    lengths = LengthSummary(items.map(\.ids.count))
    atLimit = items.count { $0.ids.count == limit }
    cut = items.count { $0.cutTokens > 0 }
    longestUncut = items.map { $0.ids.count + $0.cutTokens }.max() ?? 0
    labels = LabelSummary(items, space)
    targets = isLanguage ? items.reduce(0) { $0 + $1.targetRanges.reduce(0) { $0 + $1.count } } : nil
    documents = isLanguage ? items.reduce(0) { $0 + $1.documents.count } : nil
    // The documents of a question are its choices.
    packedRows = isLanguage ? items.count { $0.documents.count > 1 && $0.choices == nil } : nil
  }
}

/// Lengths in tokens. A share's length is the least that no more examples than the rest exceed.
public struct LengthSummary: Sendable, Equatable {
  /// All together.
  public let total: Int
  /// The extremes; 0 where there is nothing.
  public let least: Int, greatest: Int
  /// Those that 50, 90 and 99 of 100 examples do not exceed.
  public let median: Int, nineTenths: Int, most: Int

  /// Counts `lengths`.
  public init(_ lengths: [Int]) {
    let sorted = lengths.sorted()
    func share(_ percent: Int) -> Int {
      sorted.isEmpty ? 0 : sorted[max(0, (sorted.count * percent + 99) / 100 - 1)]
    }
    total = sorted.reduce(0, +)
    (least, greatest) = (sorted.first ?? 0, sorted.last ?? 0)
    (median, nineTenths, most) = (share(50), share(90), share(99))
  }
}

/// The labels of a split.
public enum LabelSummary: Sendable, Equatable {
  /// How often each class or label occurs, in the order of the head's outputs, and how many examples have no label.
  case classes([ClassCount], unlabelled: Int)
  /// The numbers of a regression, and how many examples have none.
  case scores(least: Float, mean: Double, greatest: Float, unlabelled: Int)

  /// A class with the number of its examples.
  public struct ClassCount: Sendable, Equatable {
    /// The class.
    public let name: String
    /// Its examples.
    public let count: Int
  }

  /// The labels of `items`, named by `space`, or by letters where they are questions; nil where none has one.
  init?(_ items: [EncodedDataset.Item], _ space: LabelSpace?) {
    let labels = items.flatMap(\.labels), unlabelled = items.count { $0.labels.isEmpty }
    let classes = labels.flatMap { label in
      switch label {
      case .classIndex(let index): [index]
      case .classSet(let set): set
      case .score: [Int]()
      }
    }
    let scores = labels.compactMap { if case .score(let score) = $0 { score } else { nil } }
    if let least = scores.min(), let greatest = scores.max() {
      let mean = scores.reduce(0.0) { $0 + Double($1) } / Double(scores.count)
      self = .scores(least: least, mean: mean, greatest: greatest, unlabelled: unlabelled)
      return
    }
    guard let highest = classes.max() else { return nil }
    var counts = [Int](repeating: 0, count: max(highest + 1, space?.outputs ?? 0))
    for index in classes { counts[index] += 1 }
    let names = items.contains { $0.choices != nil } ? ChoiceQuestion.letters : space?.names ?? []
    self = .classes(
      counts.enumerated().map { ClassCount(name: $0 < names.count ? names[$0] : String($0), count: $1) },
      unlabelled: unlabelled)
  }
}

extension EncodedDataset.Item {
  /// Its label, or those of its words.
  fileprivate var labels: [Label] { words?.tags?.map(Label.classIndex) ?? label.map { [$0] } ?? [] }

  /// The places of the ids that are to be predicted: a language model's targets, a question's choices, or the words' first
  /// tokens.
  public var targetRanges: [Range<Int>] {
    if let start = choices?.sharedTarget { return [start..<ids.count] }
    if let words, words.tags != nil { return words.places.map { $0..<($0 + 1) } }
    var ranges: [Range<Int>] = [], start = 0
    for document in documents {
      ranges += document.targets.map { ($0.lowerBound + start)..<($0.upperBound + start) }
      start += document.length
    }
    return ranges
  }

  /// The name of the label, where there is one: a class of `space`, a number, a choice's letter, or the tags of words.
  public func labelName(_ space: LabelSpace?) -> String? {
    if let tags = words?.tags, let names = space?.names { return tags.map { names[$0] }.joined(separator: " ") }
    switch label {
    case .classIndex(let index):
      let names = choices == nil ? space?.names ?? [] : ChoiceQuestion.letters
      return index < names.count ? names[index] : String(index)
    case .classSet(let set):
      let names = space?.names ?? []
      return set.map { $0 < names.count ? names[$0] : String($0) }.joined(separator: ", ")
    case .score(let score): return "\(score)"
    case nil: return nil
    }
  }
}
