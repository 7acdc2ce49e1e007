import StrictJSON

/// BERT's model: cuts a word into the longest known pieces from the left; if a piece is missing, the whole word is
/// unknown.
struct WordPiece: Sendable {
  let vocabulary: Vocabulary
  private let unknownID: Int32
  /// The prefix of pieces that continue a word, `##`.
  private let prefix: [Unicode.Scalar]
  private let maximumWordLength: Int

  init(vocabulary: Vocabulary, unknownID: Int32, prefix: [Unicode.Scalar] = ["#", "#"], maximumWordLength: Int = 100) {
    self.vocabulary = vocabulary
    self.unknownID = unknownID
    self.prefix = prefix
    self.maximumWordLength = maximumWordLength
  }

  /// 100 is usual. The time for a word grows with the square of its length.
  private static let maximumWordLength = 10_000

  /// Reads `model` of tokenizer.json.
  init(_ field: JSONField) throws {
    try field.requireOnly([
      "type", "vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word",
    ])
    let vocabulary = try Vocabulary(field.member("vocab"))
    let unknown = try field.member("unk_token")
    guard let unknownID = vocabulary.id(try unknown.string()) else {
      throw TokenizerError.unknownToken(unknown.place, token: try unknown.string())
    }
    self.init(
      vocabulary: vocabulary, unknownID: unknownID, prefix: try field.member("continuing_subword_prefix").affix(),
      maximumWordLength: try field.member("max_input_chars_per_word").integer(in: 0...Self.maximumWordLength))
  }

  /// Appends the ids of `word`.
  func encode(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    if word.count > maximumWordLength {
      ids.append(unknownID)
      return
    }
    if let id = vocabulary.id(word) {
      ids.append(id)
      return
    }
    let firstNew = ids.count
    var start = word.startIndex
    while start < word.endIndex {
      let found = vocabulary.longestBeginning(of: word[start...], after: start == word.startIndex ? [] : prefix)
      guard let found else {
        ids.removeSubrange(firstNew...)
        ids.append(unknownID)
        return
      }
      ids.append(found.id)
      start = found.end
    }
  }
}
