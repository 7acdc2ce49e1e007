import Diagnostics
import Tokenizers

extension EncodedDataset.Item {
  /// Which ids of an item are the first of a word: these are labelled and scored, as in transformers' `run_ner.py`. The
  /// others, and special tokens, count nowhere.
  public struct Words: Sendable, Equatable {
    /// The number of the sentence in its split, counted from 0.
    public let sentence: Int
    /// The numbers of the words in their sentence, ascending.
    public let numbers: [Int]
    /// For each of these words the place of its first token among the ids.
    public let places: [Int]
    /// The class of each; nil where they are unknown.
    public let tags: [Int]?

    /// A description of an item's words.
    public init(sentence: Int, numbers: [Int], places: [Int], tags: [Int]?) {
      (self.sentence, self.numbers, self.places, self.tags) = (sentence, numbers, places, tags)
    }
  }
}

/// Turns sentences of words into items.
struct SentenceEncoding: Sendable {
  let encoder: TextEncoder
  /// Whether a sentence with too many tokens becomes several items; otherwise it is cut.
  let inPieces: Bool

  /// What one sentence gives.
  private struct Encoded: Sendable {
    var items: [EncodedDataset.Item] = []
    /// Words beyond the limit.
    var cut = 0
    /// Words without a token.
    var tokenless = 0
  }

  func items(_ sentences: [TaggedSentence], files: [String]) -> EncodedDataset {
    let encoded = encoder.pool.map(each: Array(sentences.enumerated())) { encode($0.element, number: $0.offset) }
    let words = sentences.reduce(0) { $0 + $1.words.count }, name = named(files)
    var data = EncodedDataset(items: encoded.flatMap(\.items))
    let long = encoded.filter { $0.cut > 0 || $0.items.count > 1 }.count
    let limit = "more than \(encoder.maxLength) tokens (task.max_seq_length)"
    let have = long == 1 ? "1 sentence has" : "\(long) sentences have"
    let cut = encoded.reduce(0) { $0 + $1.cut }, tokenless = encoded.reduce(0) { $0 + $1.tokenless }
    if long > 0, inPieces {
      data.leftOut.append("\(name): \(have) \(limit): the model reads them in several pieces")
    } else if long > 0 {
      data.leftOut.append(
        "\(name): \(have) \(limit): their last words, \(cut) of \(words), are neither learnt nor scored")
    }
    if tokenless > 0 {
      data.leftOut.append(
        "\(name): \(counted(tokenless, "word")) of \(words) became no token: nothing is learnt or predicted there")
    }
    let empty = zip(sentences, encoded).filter { $1.items.isEmpty }.map(\.0)
    data.leftOut += notices(empty.map { ($0.file, $0.line) }) { count in
      "left out \(counted(count, "sentence")) without a token of a word"
    }
    return data
  }

  private func encode(_ sentence: TaggedSentence, number: Int) -> Encoded {
    var result = Encoded(), start = 0
    while start < sentence.words.count {
      let rest = Array(sentence.words[start...]),
        whole = encoder.tokenizer.encode(words: rest, maxLength: encoder.maxLength)
      // Words from the first that does not fit whole on are the next piece's; a word too long for any is cut.
      var count = rest.count
      if inPieces, let beyond = whole.firstBeyond { count = max(1, beyond) }
      let encoding =
        count == rest.count
        ? whole : encoder.tokenizer.encode(words: Array(rest.prefix(count)), maxLength: encoder.maxLength)
      let found = encoding.firstTokens.enumerated().compactMap { index, place in place.map { (index: index, place: $0) }
      }
      let tokenless = encoding.tokenless.count
      result.tokenless += tokenless
      result.cut += count - found.count - tokenless
      if !found.isEmpty {
        var item = EncodedDataset.Item(
          ids: encoding.encoding.ids, typeIDs: encoding.encoding.typeIDs,
          words: EncodedDataset.Item.Words(
            sentence: number, numbers: found.map { start + $0.index }, places: found.map(\.place),
            tags: sentence.tags.map { tags in found.map { tags[start + $0.index] } }))
        item.cutTokens = encoding.cutTokens
        result.items.append(item)
      }
      start += count
    }
    return result
  }
}
