import StrictJSON

/// The third step of encoding, from words to ids.
enum Model: Sendable {
  case wordPiece(WordPiece)
  case bytePairs(BytePairEncoding)
  case unigram(Unigram)

  var vocabulary: Vocabulary {
    switch self {
    case .wordPiece(let model): model.vocabulary
    case .bytePairs(let model): model.vocabulary
    case .unigram(let model): model.vocabulary
    }
  }

  /// Appends the ids of `word`, which is not empty.
  func encode(_ word: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    switch self {
    case .wordPiece(let model): model.encode(word, into: &ids)
    case .bytePairs(let model): model.encode(word, into: &ids)
    case .unigram(let model): model.encode(word, into: &ids)
    }
  }
}

extension Model {
  /// Supported types of tokenizer.json.
  static let types = ["WordPiece", "BPE"]

  /// Reads `model` of tokenizer.json. Old files have no type; a model with merges is BPE.
  init(_ field: JSONField) throws {
    if try field.optional("type") == nil, try field.optional("merges") != nil {
      self = .bytePairs(try BytePairEncoding(field))
      return
    }
    let type = try field.member("type")
    switch try type.string() {
    case "WordPiece": self = .wordPiece(try WordPiece(field))
    case "BPE": self = .bytePairs(try BytePairEncoding(field))
    case let other: throw type.unsupported(other, Self.types)
    }
  }
}
