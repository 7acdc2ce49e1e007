import Diagnostics

/// The parts of a tokenizer, read from the files of a model directory.
struct TokenizerParts {
  private(set) var added: [AddedToken] = []
  var normalizer: Normalizer?
  var preTokenizer: PreTokenizer?
  var model: Model
  var postProcessor = PostProcessor.none
  var decoder = TokenDecoder.spaced
  /// Special tokens that are not among `added`.
  var specialIDs: Set<Int32> = []
  // These are in the vocabulary.
  var padToken: String?
  var beginToken: String?
  var endToken: String?
  /// The contents of `added`, numbered by position.
  private var addedTable = ScalarTable()
  private var highestAddedID: Int32 = -1

  init(model: Model) { self.model = model }

  /// Reads the first kind of tokenizer that `directory` has.
  init(directory: String, modelType: String?) throws {
    let files = TokenizerFiles(directory: directory)
    if files.exists("tokenizer.json") {
      self = try TokenizerParts(tokenizerJSON: files)
    } else if files.exists("tokenizer.model") {
      self = try TokenizerParts(sentencePiece: files)
    } else if files.exists("vocab.txt") {
      self = try TokenizerParts(vocabText: files)
    } else if files.exists("vocab.json"), files.exists("merges.txt") || files.exists("vocab.bpe") {
      self = try TokenizerParts(vocabJSON: files, modelType: modelType)
    } else {
      throw TokenizerError.noTokenizer(directory: directory)
    }
  }

  private static let longestToken = 1024

  /// The id of a token of the vocabulary or an added one.
  func id(_ token: String) -> Int32? {
    addedTable.find(Array(token.unicodeScalars)[...]).map { added[$0].id } ?? model.vocabulary.id(token)
  }

  /// Whether a token has been added.
  func hasAdded(_ token: String) -> Bool { addedTable.find(Array(token.unicodeScalars)[...]) != nil }

  /// The token with an id, or nil.
  func token(_ id: Int32) -> String? { added.first { $0.id == id }?.content ?? model.vocabulary.token(id) }

  /// The text that an added token decodes to. Like `tokenizers`, this normalises tokens that are searched for in
  /// normalised text, except special ones.
  func spelling(_ token: AddedToken) -> String {
    guard token.isNormalized, !token.isSpecial, let normalizer, !normalizer.isSentencePiece else {
      return token.content
    }
    return String(scalars: normalizer.normalize(Array(token.content.unicodeScalars)))
  }

  /// Adds a token, whose id must be the one that `tokenizers` gives it: that of the vocabulary, otherwise the next free
  /// one.
  mutating func add(_ token: AddedToken, place: FilePlace) throws {
    if token.content.isEmpty { throw TokenizerError.malformed(place, problem: "an added token cannot be empty") }
    // The search may look this far ahead at every position of a text.
    guard token.content.unicodeScalars.count <= Self.longestToken else {
      throw TokenizerError.malformed(
        place, problem: "an added token cannot be longer than \(Self.longestToken) characters")
    }
    let scalars = Array(token.content.unicodeScalars)[...]
    if addedTable.find(scalars) != nil {
      throw TokenizerError.duplicateToken(place, token: token.content)
    }
    let count = Int32(clamping: model.vocabulary.count)
    let highest = highestAddedID
    let next = highest >= count ? highest + (highest < .max ? 1 : 0) : count
    let actual = model.vocabulary.id(token.content) ?? next
    guard actual == token.id else {
      throw TokenizerError.idMismatch(place, token: token.content, given: token.id, actual: actual)
    }
    if model.vocabulary.id(token.content) == nil, let other = model.vocabulary.token(actual) {
      throw TokenizerError.duplicateID(place, id: actual, tokens: [other, token.content])
    }
    added.append(token)
    addedTable.insert(scalars)
    highestAddedID = max(highestAddedID, token.id)
  }
}
