import StrictJSON

/// The third step of encoding, from words to ids.
protocol Model: Sendable {
  var vocabulary: Vocabulary { get }

  /// Appends the ids of `word`, which is not empty.
  func encode(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32])
}

/// Reads `model` of tokenizer.json. Old files have no type; a model with merges is BPE.
func readModel(_ field: JSONField) throws -> any Model {
  if try field.optional("type") == nil, try field.optional("merges") != nil { return try BytePairEncoding(field) }
  let type = try field.member("type")
  switch try type.string() {
  case "WordPiece": return try WordPiece(field)
  case "BPE": return try BytePairEncoding(field)
  case "Unigram": return try Unigram(field)
  case "WordLevel": return try WordLevel(field)
  case let other: throw type.unsupported(other, ["WordPiece", "BPE", "Unigram", "WordLevel"])
  }
}

/// BERT's model: cuts a word into the longest known pieces from the left; if a piece is missing, the whole word is
/// unknown.
struct WordPiece: Model {
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

  /// Reads `model` of tokenizer.json.
  init(_ field: JSONField) throws {
    try field.requireOnly([
      "type", "vocab", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word",
    ])
    vocabulary = try Vocabulary(field.member("vocab"))
    unknownID = try field.member("unk_token").token(in: vocabulary)
    prefix = try field.member("continuing_subword_prefix").affix()
    // 100 is usual. The time for a word grows with the square of its length.
    maximumWordLength = try field.member("max_input_chars_per_word").integer(in: 0...10_000)
  }

  func encode(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    if word.count > maximumWordLength { return ids.append(unknownID) }
    if let id = vocabulary.id(word) { return ids.append(id) }
    let firstNew = ids.count
    var start = word.startIndex
    while start < word.endIndex {
      let found = vocabulary.longestBeginning(of: word[start...], after: start == word.startIndex ? [] : prefix)
      guard let found else {
        ids.removeSubrange(firstNew...)
        return ids.append(unknownID)
      }
      ids.append(found.id)
      start = found.end
    }
  }
}

/// The model without pieces: a word is in the vocabulary, or unknown.
struct WordLevel: Model {
  let vocabulary: Vocabulary
  private let unknownID: Int32

  /// Reads `model` of tokenizer.json.
  init(_ field: JSONField) throws {
    try field.requireOnly(["type", "vocab", "unk_token"])
    vocabulary = try Vocabulary(field.member("vocab"))
    unknownID = try field.member("unk_token").token(in: vocabulary)
  }

  func encode(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    ids.append(vocabulary.id(word) ?? unknownID)
  }
}
