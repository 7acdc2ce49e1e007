import StrictJSON

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
    self.init(model: try Model(root.member("model")))
    if let field = try root.optional("normalizer") {
      let normalizer = try Normalizer(field)
      try normalizer.growth.check(field.place)
      self.normalizer = normalizer
    }
    preTokenizer = try root.optional("pre_tokenizer").map { try PreTokenizer($0) }
    for field in try root.optional("added_tokens")?.elements() ?? [] {
      let token = try AddedToken(tokenizerJSON: field)
      try add(token, place: try field.member("id").place)
    }
    postProcessor = try root.optional("post_processor").map { try PostProcessor($0, idOf: id) } ?? .none
    if let field = try root.optional("decoder") {
      decoder = try TokenDecoder(field)
      try decoder.growth.check(field.place)
    }
    let special = try SpecialTokens(files)
    padToken = try token("pad_token", special, usual: ["[PAD]", "<pad>"])
    beginToken = try token("bos_token", special, usual: ["<s>", "<|begin_of_text|>"])
    endToken = try token("eos_token", special, usual: ["</s>", "<|end_of_text|>", "<|endoftext|>"])
  }

  /// The token that the configuration names for a role, otherwise the added token with a usual name.
  private func token(_ role: String, _ special: SpecialTokens, usual: [String]) throws -> String? {
    if let named = try special.token(role) {
      guard id(named.token.content) != nil else {
        throw TokenizerError.unknownToken(named.place, token: named.token.content)
      }
      return named.token.content
    }
    return usual.first { name in added.contains { $0.content == name } }
  }
}

extension AddedToken {
  /// Reads an element of `added_tokens` in tokenizer.json.
  init(tokenizerJSON field: JSONField) throws {
    try field.requireOnly(["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"])
    let content = try field.member("content").string()
    self.init(content: content, id: try field.member("id").id(of: content))
    isSpecial = try field.member("special").bool()
    isNormalized = try field.member("normalized").bool()
    isSingleWord = try field.member("single_word").bool()
    stripsLeft = try field.member("lstrip").bool()
    stripsRight = try field.member("rstrip").bool()
  }
}
