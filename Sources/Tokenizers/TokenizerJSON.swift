extension TokenizerParts {
  /// Reads tokenizer.json. What it says of truncation, padding and decoding is not used.
  init(tokenizerJSON files: ModelFiles) throws {
    let root = try files.json("tokenizer.json")
    try root.refuseOtherMembers(than: [
      "version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor", "decoder",
      "model",
    ])
    if let version = try root.optional("version"), try version.string() != "1.0" {
      throw TokenizerError.unsupported(version.place, value: try version.string(), supported: ["1.0"])
    }
    self.init(model: try Model(root.member("model")))
    normalizer = try root.optional("normalizer").map { try Normalizer($0) }
    preTokenizer = try root.optional("pre_tokenizer").map { try PreTokenizer($0) }
    for field in try root.optional("added_tokens")?.elements() ?? [] {
      let token = try AddedToken(tokenizerJSON: field)
      try add(token, place: try field.member("id").place)
    }
    postProcessor = try root.optional("post_processor").map { try PostProcessor($0, idOf: id) } ?? .none
    padToken = try padToken(SpecialTokens(files))
  }

  /// The pad token that the configuration names, else one by its usual name.
  private func padToken(_ special: SpecialTokens) throws -> String? {
    if let pad = try special.token("pad_token") {
      guard id(pad.token.content) != nil else {
        throw TokenizerError.unknownToken(pad.place, token: pad.token.content)
      }
      return pad.token.content
    }
    return ["[PAD]", "<pad>"].first { name in added.contains { $0.content == name } }
  }
}

extension AddedToken {
  /// Reads an element of `added_tokens` of tokenizer.json.
  init(tokenizerJSON field: Field) throws {
    try field.refuseOtherMembers(than: ["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"])
    let content = try field.member("content").string()
    self.init(content: content, id: try field.member("id").id(of: content))
    isSpecial = try field.member("special").bool()
    isNormalized = try field.member("normalized").bool()
    isSingleWord = try field.member("single_word").bool()
    stripsLeft = try field.member("lstrip").bool()
    stripsRight = try field.member("rstrip").bool()
  }
}
