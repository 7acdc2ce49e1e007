import Diagnostics
import StrictJSON

/// The parts of a tokenizer, read from the files of a model directory.
struct TokenizerParts: Sendable {
  private(set) var added: [AddedToken] = []
  var normalizer: Normalizer?
  var preTokenizer: PreTokenizer?
  let model: any Model
  var postProcessor = PostProcessor.none
  var decoder = TokenDecoder.spaced
  /// Special tokens that are not among `added`.
  var specialIDs: Set<Int32> = []
  /// The contents of `added`, numbered by position.
  private var addedTable = ScalarTable()
  private var highestAddedID: Int32 = -1

  init(model: any Model) { self.model = model }

  /// Reads the first kind of tokenizer that `directory` has.
  init(directory: String, tokenizerClass: String?) throws {
    let files = TokenizerFiles(directory: directory)
    if files.exists("tokenizer.json") {
      self = try TokenizerParts(tokenizerJSON: files)
    } else if files.exists("tokenizer.model") {
      self = try TokenizerParts(sentencePiece: files)
    } else if files.exists("vocab.txt") {
      self = try TokenizerParts(vocabText: files)
    } else if files.exists("vocab.json"), files.exists("merges.txt") || files.exists("vocab.bpe") {
      self = try TokenizerParts(vocabJSON: files, tokenizerClass: tokenizerClass)
    } else {
      throw TokenizerError.noTokenizer(directory: directory)
    }
  }

  func id(_ token: String) -> Int32? {
    addedTable.find(Array(token.unicodeScalars)[...]).map { added[$0].id } ?? model.vocabulary.id(token)
  }

  /// The text that an added token decodes to. Like `tokenizers`, this normalises tokens that are searched for in
  /// normalised text, except special ones.
  func spelling(_ token: AddedToken) -> String {
    token.isNormalized && !token.isSpecial ? String(scalars: normalized(token.content)) : token.content
  }

  /// The content of an added token in normalised text. SentencePiece's symbols are already spelled like that.
  func normalized(_ content: String) -> [Unicode.Scalar] {
    let scalars = Array(content.unicodeScalars)
    guard let normalizer, !normalizer.isSentencePiece else { return scalars }
    return normalizer.normalize(scalars)
  }

  /// Adds a token, whose id must be the one that `tokenizers` gives it: that of the vocabulary, otherwise the next free
  /// one.
  mutating func add(_ token: AddedToken, place: FilePlace) throws {
    // The search may look this far ahead at every position of a text.
    let scalars = Array(token.content.unicodeScalars)[...], longest = 1024
    if scalars.isEmpty { throw TokenizerError.malformed(place, problem: "an added token cannot be empty") }
    guard scalars.count <= longest else {
      throw TokenizerError.malformed(place, problem: "an added token cannot be longer than \(longest) characters")
    }
    if addedTable.find(scalars) != nil { throw TokenizerError.duplicateToken(place, token: token.content) }
    let known = model.vocabulary.id(scalars), count = Int32(clamping: model.vocabulary.count)
    let actual = known ?? (highestAddedID >= count ? highestAddedID + (highestAddedID < .max ? 1 : 0) : count)
    guard actual == token.id else {
      throw TokenizerError.idMismatch(place, token: token.content, given: token.id, actual: actual)
    }
    if known == nil, let other = model.vocabulary.token(actual) {
      throw TokenizerError.duplicateID(place, id: actual, tokens: [other, token.content])
    }
    added.append(token)
    addedTable.insert(scalars)
    highestAddedID = max(highestAddedID, token.id)
  }
}

extension TokenizerParts {
  /// Reads tokenizer.json. Its truncation and padding are ignored.
  init(tokenizerJSON files: TokenizerFiles) throws {
    let root = try files.json("tokenizer.json")
    try root.requireOnly([
      "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
      "model",
    ])
    if let version = try root.optional("version"), try version.string() != "1.0" {
      throw version.unsupported(try version.string(), ["1.0"])
    }
    self.init(model: try readModel(root.member("model")))
    if let field = try root.optional("normalizer") {
      let normalizer = try Normalizer(field)
      try TextGrowth(normalizer).check(field.place)
      self.normalizer = normalizer
    }
    preTokenizer = try root.optional("pre_tokenizer").map { try PreTokenizer($0) }
    for field in try root.optional("added_tokens")?.elements() ?? [] {
      try add(AddedToken(tokenizerJSON: field), place: field.member("id").place)
    }
    postProcessor = try root.optional("post_processor").map { try PostProcessor($0, idOf: id) } ?? .none
    if let field = try root.optional("decoder") {
      decoder = try TokenDecoder(field)
      try TextGrowth(decoder).check(field.place)
    }
  }
}
