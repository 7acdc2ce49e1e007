extension EncodedDataset.Item {
  /// A document, or a part of one, inside an item: its tokens see no others.
  public struct Document: Sendable, Equatable {
    /// Tokens.
    public let length: Int
    /// The tokens whose prediction counts, ascending. Nothing predicts a document's first token.
    public let targets: [Range<Int>]

    /// A document of `length` tokens, of which those in `targets` are to be predicted.
    public init(length: Int, targets: [Range<Int>]) {
      self.length = length
      self.targets = targets.map { $0.clamped(to: min(1, length)..<length) }.filter { !$0.isEmpty }
    }

    /// How many predictions count.
    public var targetCount: Int { targets.reduce(0) { $0 + $1.count } }

    /// For every token of `ids` the next one, or −1 where that does not count.
    func nextTokens(_ ids: [Int32]) -> [Int32] {
      var next = [Int32](repeating: -1, count: ids.count)
      for range in targets { for place in range { next[place - 1] = ids[place] } }
      return next
    }
  }

  /// A stretch of a conversation: what is said to the model, or what it is to say.
  public struct Turn: Sendable {
    let ids: [Int32]
    let isTarget: Bool

    /// Tokens, which are to be learnt if `isTarget`.
    public init(_ ids: [Int32], isTarget: Bool) { (self.ids, self.isTarget) = (ids, isTarget) }
  }

  /// How many predictions of a language model's item count.
  public var targetCount: Int { documents.reduce(0) { $0 + $1.targetCount } }

  /// The documents with their tokens.
  var documentIDs: [(ids: [Int32], document: Document)] {
    var start = 0
    return documents.map { document in
      defer { start += document.length }
      return (Array(ids[start..<(start + document.length)]), document)
    }
  }

  /// A language model's item of several documents, all of whose tokens but the first count.
  public init(documents: [[Int32]]) {
    self.init(
      ids: documents.flatMap { $0 }, typeIDs: [], label: nil,
      documents: documents.map { Document(length: $0.count, targets: [0..<$0.count]) })
  }

  /// A block of packed documents.
  init(block: TokenBlock) {
    self.init(
      ids: block.tokens, typeIDs: [], label: nil,
      documents: block.segments.map { Document(length: $0.count, targets: [0..<$0.count]) })
  }

  /// A conversation, any number of whose turns are to be learnt.
  public init(turns: [Turn]) {
    var length = 0, targets: [Range<Int>] = []
    for turn in turns {
      if turn.isTarget { targets.append(length..<(length + turn.ids.count)) }
      length += turn.ids.count
    }
    self.init(
      ids: turns.flatMap(\.ids), typeIDs: [], label: nil, documents: [Document(length: length, targets: targets)])
  }

  /// A prompt and the answer to be learnt.
  public init(prompt: [Int32], answer: [Int32]) {
    self.init(turns: [Turn(prompt, isTarget: false), Turn(answer, isTarget: true)])
  }
}
