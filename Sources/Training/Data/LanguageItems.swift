import Tasks
import Tokenizers

extension EncodedDataset.Item {
  /// A document, or a part of one, inside an item: a token sees no other.
  public struct Document: Sendable, Equatable {
    /// Tokens.
    public let length: Int
    /// The first token whose prediction counts; never the document's first.
    public let firstTarget: Int

    /// How many predictions count.
    public var targetCount: Int { max(0, length - firstTarget) }
  }

  /// How many predictions of a language model's item count.
  public var targetCount: Int { documents.reduce(0) { $0 + $1.targetCount } }

  /// A language model's item of several documents, all of whose tokens but the first count.
  public init(documents: [[Int32]]) {
    self.init(
      ids: documents.flatMap { $0 }, typeIDs: [], label: nil,
      documents: documents.map { Document(length: $0.count, firstTarget: 1) })
  }

  /// A prompt and the answer to be learnt.
  public init(prompt: [Int32], answer: [Int32]) {
    self.init(
      ids: prompt + answer, typeIDs: [], label: nil,
      documents: [Document(length: prompt.count + answer.count, firstTarget: max(1, prompt.count))])
  }
}

extension EncodedDataset {
  /// Documents end to end, cut into items of `length` tokens; the last may be shorter. Where a cut leaves a single token
  /// at an item's edge, that token is left out: it would see nothing and predict nothing.
  public static func blocks(_ documents: [[Int32]], length: Int) -> [Item] {
    var items: [Item] = [], parts: [[Int32]] = [], used = 0
    func finish() {
      let kept = parts.filter { $0.count > 1 }
      if !kept.isEmpty { items.append(Item(documents: kept)) }
      (parts, used) = ([], 0)
    }
    for document in documents {
      var rest = document[...]
      while !rest.isEmpty {
        let part = rest.prefix(length - used)
        parts.append(Array(part))
        used += part.count
        rest = rest.dropFirst(part.count)
        if used == length { finish() }
      }
    }
    finish()
    return items
  }
}
