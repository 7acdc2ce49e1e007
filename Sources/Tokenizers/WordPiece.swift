/// BERT's model: a word is cut into the longest known pieces from the left, or is unknown as a whole.
struct WordPiece: Sendable {
  let vocabulary: Vocabulary
  private let unknownID: Int32
  /// What a piece that continues a word begins with, `##`.
  private let prefix: [Unicode.Scalar]
  private let maximumWordLength: Int

  init(vocabulary: Vocabulary, unknownID: Int32, prefix: String = "##", maximumWordLength: Int = 100) {
    self.vocabulary = vocabulary
    self.unknownID = unknownID
    self.prefix = Array(prefix.unicodeScalars)
    self.maximumWordLength = maximumWordLength
  }

  /// Reads a `model` of tokenizer.json.
  init(_ field: Field) throws {
    try field.refuseOtherMembers(than: [
      "type", "vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word",
    ])
    let vocabulary = try Vocabulary(field.member("vocab"))
    let unknown = try field.member("unk_token")
    guard let unknownID = vocabulary.id(try unknown.string()) else {
      throw TokenizerError.unknownToken(unknown.place, token: try unknown.string())
    }
    let longest = try field.member("max_input_chars_per_word")
    let maximumWordLength = try longest.integer()
    guard maximumWordLength >= 0 else {
      throw TokenizerError.malformed(longest.place, problem: "a length cannot be negative")
    }
    self.init(
      vocabulary: vocabulary, unknownID: unknownID, prefix: try field.member("continuing_subword_prefix").string(),
      maximumWordLength: maximumWordLength)
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
      let isFirst = start == word.startIndex
      let rest = isFirst ? word : (prefix + word[start...])[...]
      let shortest = isFirst ? 1 : prefix.count + 1
      var length = min(rest.count, vocabulary.longest)
      var found: Int32?
      while length >= shortest {
        found = vocabulary.id(rest.prefix(length))
        if found != nil { break }
        length -= 1
      }
      guard let found else {
        ids.removeSubrange(firstNew...)
        ids.append(unknownID)
        return
      }
      ids.append(found)
      start += length - shortest + 1
    }
  }
}
