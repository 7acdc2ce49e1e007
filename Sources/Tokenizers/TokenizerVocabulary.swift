import Diagnostics

/// Tokenizers without a tokenizer.json: a vocabulary, plus the rules of the model family and `tokenizer_config.json`, as
/// in transformers.
extension TokenizerParts {
  /// Reads BERT's vocab.txt: one token a line.
  init(vocabText files: TokenizerFiles) throws {
    let special = try Self.special(files)
    let lines = try files.lines("vocab.txt"), file = files.path("vocab.txt")
    let place = FilePlace(file: file, line: 1)
    var vocabulary = Vocabulary(capacity: lines.count)
    for (index, line) in lines.enumerated() {
      try vocabulary.add(line, id: Int32(clamping: index), place: FilePlace(file: file, line: index + 1))
    }
    let unknown = try special.token("unk_token"), unknownToken = unknown?.token.content ?? "[UNK]"
    guard let unknownID = vocabulary.id(unknownToken) else {
      throw TokenizerError.unknownToken(unknown?.place ?? place, token: unknownToken)
    }
    self.init(model: WordPiece(vocabulary: vocabulary, unknownID: unknownID))
    let lowercases = try special.flag("do_lower_case") ?? true
    normalizer = .bert(
      BertNormalizer(
        cleansText: true, isolatesIdeographs: try special.flag("tokenize_chinese_chars") ?? true,
        stripsAccents: try special.flag("strip_accents") ?? lowercases, lowercases: lowercases))
    preTokenizer = .bert
    decoder = .wordPiece(prefix: "##", cleansUp: true)
    let ids = try add(
      special, ["unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]"],
      optional: ["mask_token": "[MASK]"], place: place)
    if let cls = ids["cls_token"], let sep = ids["sep_token"] { postProcessor = .bert(cls: cls, sep: sep) }
  }

  /// Reads RoBERTa's or GPT-2's vocab.json and merges.txt (or vocab.bpe).
  init(vocabJSON files: TokenizerFiles, tokenizerClass: String?) throws {
    let special = try Self.special(files)
    let isRoberta = try Self.isRoberta(files, special, tokenizerClass)
    let vocabulary = try Vocabulary(try files.json("vocab.json"))
    let mergesName = files.exists("merges.txt") ? "merges.txt" : "vocab.bpe"
    self.init(
      model: try BytePairEncoding(
        vocabulary: vocabulary, mergeLines: files.lines(mergesName), file: files.path(mergesName)))
    preTokenizer = .byteLevel(
      ByteLevel(addsPrefixSpace: try special.flag("add_prefix_space") ?? false, splitsWords: true))
    decoder = .byteLevel
    let place = FilePlace(file: files.path("vocab.json"), line: 1)
    guard isRoberta else {
      let end = "<|endoftext|>"
      _ = try add(special, ["bos_token": end, "eos_token": end, "unk_token": end], place: place)
      return
    }
    let ids = try add(
      special,
      [
        "bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "sep_token": "</s>",
        "cls_token": "<s>",
      ], optional: ["mask_token": "<mask>"], place: place)
    if let cls = ids["cls_token"], let sep = ids["sep_token"] { postProcessor = .roberta(cls: cls, sep: sep) }
  }

  /// The configuration. added_tokens.json is refused, since nothing here reads it.
  private static func special(_ files: TokenizerFiles) throws -> SpecialTokens {
    if files.exists("added_tokens.json") {
      throw TokenizerError.unsupported(
        FilePlace(file: files.path("added_tokens.json"), line: 1), value: "added_tokens.json",
        supported: ["tokenizer.json", "added_tokens_decoder in tokenizer_config.json"])
    }
    return try SpecialTokens(files)
  }

  private static func isRoberta(_ files: TokenizerFiles, _ special: SpecialTokens, _ given: String?) throws -> Bool {
    let name = try given ?? special.tokenizerClass()
    switch name {
    case "RobertaTokenizer", "RobertaTokenizerFast": return true
    case "GPT2Tokenizer", "GPT2TokenizerFast": return false
    default:
      throw TokenizerError.unsupported(
        FilePlace(file: files.path("vocab.json"), line: 1), value: "the tokenizer class \(name ?? "(none given)")",
        supported: ["RobertaTokenizer", "GPT2Tokenizer"])
    }
  }

  /// Adds the tokens listed in the configuration, then the special tokens by role; `required` and `optional` give their
  /// default names. Returns the ids by role.
  private mutating func add(
    _ special: SpecialTokens, _ required: [String: String], optional: [String: String] = [:], place: FilePlace
  ) throws -> [String: Int32] {
    for (token, place) in try special.listed() { try add(token, place: place) }
    var ids: [String: Int32] = [:]
    let roles = Set(required.keys).union(optional.keys).union(["pad_token", "bos_token", "eos_token"])
    for role in roles.sorted() {
      let named = try special.token(role)
      guard let usual = required[role] ?? optional[role] ?? named?.token.content else { continue }
      var token = named?.token ?? AddedToken(content: usual, id: -1)
      if named == nil, usual == "<mask>" { token.stripsLeft = true }
      guard let id = id(token.content) else {
        if named == nil, required[role] == nil { continue }
        throw TokenizerError.unknownToken(named?.place ?? place, token: token.content)
      }
      token.id = id
      ids[role] = id
      if !hasAdded(id) { try add(token, place: named?.place ?? place) }
    }
    try addAdditional(special)
    return ids
  }

  private func hasAdded(_ id: Int32) -> Bool { added.contains { $0.id == id } }

  /// Adds the additional special tokens, which must be in the vocabulary.
  mutating func addAdditional(_ special: SpecialTokens) throws {
    for (token, place) in try special.additional() {
      guard let id = id(token.content) else { throw TokenizerError.unknownToken(place, token: token.content) }
      var token = token
      token.id = id
      if !hasAdded(id) { try add(token, place: place) }
    }
  }
}
