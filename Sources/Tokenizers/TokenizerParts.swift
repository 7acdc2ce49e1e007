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
  /// The special tokens by role, in the order of `TokenizerConfig.roles`.
  var named: [(name: String, text: String)] = []
  /// Whether special tokens in a text are split like other text.
  var splitsSpecialTokens = false
  /// Whether decoded text is cleaned of spaces before punctuation.
  var cleansUpText = false
  /// What the reader of the tokenizer should know.
  private(set) var notes: [String] = []
  /// The contents of `added`, numbered by position.
  private var addedTable = ScalarTable()
  private var highestAddedID: Int32 = -1

  init(model: any Model) { self.model = model }

  func id(_ token: String) -> Int32? {
    addedTable.find(Array(token.unicodeScalars)[...]).map { added[$0].id } ?? model.vocabulary.id(token)
  }

  /// The text that an added token decodes to: like `tokenizers`, normalised if it is searched for in normalised text.
  func spelling(_ token: AddedToken) -> String {
    token.isNormalized ? String(scalars: normalized(token.content)) : token.content
  }

  /// The content of an added token in normalised text.
  func normalized(_ content: String) -> [Unicode.Scalar] {
    let scalars = Array(content.unicodeScalars)
    return normalizer?.normalize(scalars) ?? scalars
  }

  /// Adds a token of tokenizer.json, whose id must be the one that `tokenizers` gives it: that of the vocabulary,
  /// otherwise the next free one.
  mutating func add(_ token: AddedToken, place: FilePlace) throws {
    if token.content.isEmpty { throw TokenizerError.malformed(place, problem: "an added token cannot be empty") }
    let scalars = Array(token.content.unicodeScalars)[...]
    if addedTable.find(scalars) != nil { throw TokenizerError.duplicateToken(place, token: token.content) }
    let actual = nextID(for: scalars)
    guard actual == token.id else {
      throw TokenizerError.idMismatch(place, token: token.content, given: token.id, actual: actual)
    }
    try register(token, place)
  }

  /// Adds a token of the configuration as `tokenizers` does: a token that is there already takes the new flags; a new
  /// one gets the id of the vocabulary, otherwise the next free one, whatever id it asks for.
  mutating func register(_ token: AddedToken, _ place: FilePlace) throws {
    let scalars = Array(token.content.unicodeScalars)[...]
    if scalars.isEmpty { return }
    // The search may look this far ahead at every position of a text.
    let longest = 1024
    guard scalars.count <= longest else {
      throw TokenizerError.malformed(place, problem: "an added token cannot be longer than \(longest) characters")
    }
    var token = token
    let given = token.id
    if let index = addedTable.find(scalars) {
      token.id = added[index].id
      // What was special once is left out of decoded text for good.
      if added[index].isSpecial { specialIDs.insert(token.id) }
      added[index] = token
    } else {
      token.id = nextID(for: scalars)
      if model.vocabulary.id(scalars) == nil, let other = model.vocabulary.token(token.id) {
        throw TokenizerError.duplicateID(place, id: token.id, tokens: [other, token.content])
      }
      added.append(token)
      addedTable.insert(scalars)
      highestAddedID = max(highestAddedID, token.id)
    }
    if given >= 0, given != token.id {
      notes.append(
        "\(place): \"\(token.content.clipped)\" is listed with id \(given) but gets id \(token.id), "
          + "as in transformers")
    }
  }

  private func nextID(for token: ArraySlice<Unicode.Scalar>) -> Int32 {
    if let index = addedTable.find(token) { return added[index].id }
    let count = Int32(clamping: model.vocabulary.count)
    return model.vocabulary.id(token)
      ?? (highestAddedID >= count ? highestAddedID + (highestAddedID < .max ? 1 : 0) : count)
  }

  /// Adds the tokens that the configuration lists, then the special ones that are not there yet.
  mutating func addTokens(of config: TokenizerConfig) throws {
    var known = ScalarTable(), roles = ScalarTable()
    for token in added { known.insert(Array(token.content.unicodeScalars)[...]) }
    for token in config.listed { known.insert(Array(token.token.content.unicodeScalars)[...]) }
    for token in config.special.dropLast(config.extra?.count ?? 0) {
      roles.insert(Array(token.token.content.unicodeScalars)[...])
    }
    let new = config.special.filter { known.insert(Array($0.token.content.unicodeScalars)[...]).isNew }
    for entry in config.listed + new {
      var token = entry.token
      if roles.find(Array(token.content.unicodeScalars)[...]) != nil {
        if !token.isSpecial, entry.hasNoForm { token.isNormalized = false }
        token.isSpecial = true
      }
      try register(token, entry.place)
    }
  }
}

extension TokenizerParts {
  /// Reads tokenizer.json. Its truncation and padding are ignored.
  init(tokenizerJSON root: JSONField) throws {
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
