import Diagnostics
import StrictJSON

/// The tokens and options of tokenizer_config.json and special_tokens_map.json, which may both be absent.
struct SpecialTokens {
  /// The first file that names a token decides.
  private var sources: [JSONField] = []
  private let config: JSONField?

  init(_ files: TokenizerFiles) throws {
    config = files.exists("tokenizer_config.json") ? try files.json("tokenizer_config.json") : nil
    sources = [config].compactMap { $0 }
    if files.exists("special_tokens_map.json") { sources.append(try files.json("special_tokens_map.json")) }
  }

  /// The token under `key` (such as `pad_token`), without its id, or nil if none is named.
  func token(_ key: String) throws -> (token: AddedToken, place: FilePlace)? {
    for source in sources {
      if let field = try source.optional(key) { return (try AddedToken(config: field), field.place) }
    }
    return nil
  }

  /// The additional special tokens.
  func additional() throws -> [(token: AddedToken, place: FilePlace)] {
    for source in sources {
      if let field = try source.optional("additional_special_tokens") {
        return try field.elements().map { (try AddedToken(config: $0), $0.place) }
      }
    }
    return []
  }

  /// The tokens listed with their ids, by ascending id.
  func listed() throws -> [(token: AddedToken, place: FilePlace)] {
    var tokens: [(token: AddedToken, place: FilePlace)] = []
    for (key, field) in try config?.optional("added_tokens_decoder")?.members() ?? [] {
      var token = try AddedToken(config: field)
      guard let id = Int32(key), id >= 0 else {
        throw TokenizerError.idOutOfRange(field.place, token: token.content)
      }
      token.id = id
      tokens.append((token, field.place))
    }
    return tokens.sorted { $0.token.id < $1.token.id }
  }

  /// An option of tokenizer_config.json.
  func flag(_ key: String) throws -> Bool? { try config?.optional(key)?.bool() }

  /// The class in tokenizer_config.json.
  func tokenizerClass() throws -> String? { try config?.optional("tokenizer_class")?.string() }
}

extension AddedToken {
  /// Reads a token: its text, or an object with text and flags.
  fileprivate init(config field: JSONField) throws {
    if let text = field.node.string {
      self.init(content: text, id: -1)
      return
    }
    try field.requireOnly([
      "__type", "content", "single_word", "lstrip", "rstrip", "normalized", "special",
    ])
    self.init(content: try field.member("content").string(), id: -1)
    isSpecial = try field.optional("special")?.bool() ?? true
    isNormalized = try field.optional("normalized")?.bool() ?? !isSpecial
    isSingleWord = try field.optional("single_word")?.bool() ?? false
    stripsLeft = try field.optional("lstrip")?.bool() ?? false
    stripsRight = try field.optional("rstrip")?.bool() ?? false
  }
}
