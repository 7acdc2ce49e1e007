import Diagnostics
import StrictJSON

/// What a model directory says about its tokenizer beside the vocabulary: tokenizer_config.json and, if that lists no
/// `added_tokens_decoder`, the older special_tokens_map.json, added_tokens.json and the added tokens of tokenizer.json,
/// each as `AutoTokenizer` reads it.
struct TokenizerConfig {
  /// A token and where it is named.
  struct Token {
    var token: AddedToken
    /// Whether only its text is given, so that the tokenizer class decides how it is searched for.
    var isText = false
    /// Whether nothing says where to search for it: a token that turns out to be special is searched for in the
    /// original text.
    var hasNoForm = false
    var place: FilePlace
  }

  /// The special tokens that every tokenizer class has, in the order in which new ones get their ids.
  static let roles = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

  private let config: JSONField?
  /// Whether `add_prefix_space` is true, whatever the file says.
  var addsPrefixSpace = false
  /// Special tokens by role; nil if the role is given as null or empty.
  private(set) var named: [String: Token?] = [:]
  /// Special tokens with roles of the model's own, such as `image_token`.
  private(set) var others: [Token] = []
  /// `additional_special_tokens` or `extra_special_tokens`; nil if there is no such key.
  private(set) var extra: [Token]?
  /// Tokens listed with their ids, by ascending id.
  private(set) var listed: [Token] = []

  /// - Parameter root: tokenizer.json, if the directory has it.
  init(_ files: TokenizerFiles, tokenizerJSON root: JSONField?) throws {
    config = try files.jsonIfThere("tokenizer_config.json")
    try readNamed()
    try readExtra()
    if let list = try member("added_tokens_decoder") {
      for (key, field) in try list.members() {
        try record(AddedToken(listed: field, id: key), field.place, hasNoForm: field.node["normalized"] == nil)
      }
    } else {
      try readMap(files)
      try readAddedTokens(files)
      for field in try root?.optional("added_tokens")?.elements() ?? [] {
        try record(AddedToken(tokenizerJSON: field), field.place)
      }
    }
    // Of several tokens with the same id the last counts.
    let byID = Dictionary(listed.map { ($0.token.id, $0) }, uniquingKeysWith: { $1 })
    listed = byID.values.sorted { $0.token.id < $1.token.id }
    // A role takes over how its token is listed.
    for (role, token) in named {
      guard let token, let same = listed.last(where: { $0.token.content.isSame(as: token.token.content) }) else {
        continue
      }
      named[role] = same
    }
  }

  // MARK: - Options

  /// The option `key`; `standard` if it is absent or null.
  func flag(_ key: String, or standard: Bool) throws -> Bool {
    if addsPrefixSpace, key == "add_prefix_space" { return true }
    return try config?.optional(key)?.bool() ?? standard
  }

  /// The option `key`, or nil.
  func flag(_ key: String) throws -> Bool? { try config?.optional(key)?.bool() }

  /// The tokenizer class that the directory names.
  func className() throws -> String? { try config?.optional("tokenizer_class")?.string() }

  /// Makes `token` the token of a role that the files do not mention.
  mutating func setDefault(_ role: String, _ token: Token) {
    if named[role] == nil { named[role] = token }
  }

  /// Makes `tokens` the additional special tokens.
  mutating func setExtra(_ tokens: [Token]) { extra = tokens }

  /// Lets `write` turn special tokens given by their text alone into the form that a tokenizer class gives them.
  mutating func writeOut(_ write: (_ role: String, _ text: String) -> AddedToken) {
    for (role, token) in named {
      guard let token, token.isText else { continue }
      named[role] = Token(token: write(role, token.token.content), place: token.place)
    }
  }

  /// All special tokens: those with a role, then the additional ones.
  var special: [Token] { Self.roles.compactMap { named[$0] ?? nil } + others + (extra ?? []) }

  /// The token of a role, or nil.
  func token(_ role: String) -> Token? { named[role] ?? nil }

  /// The token of a role that the tokenizer class needs.
  func requiredToken(_ role: String) throws -> Token {
    if let token = token(role) { return token }
    throw TokenizerError.malformed(
      FilePlace(file: config?.file ?? "tokenizer_config.json", line: 1, field: role),
      problem: "cannot be null or empty for this tokenizer class")
  }

  // MARK: - Reading

  /// A member of tokenizer_config.json even if it is null.
  private func member(_ key: String) throws -> JSONField? {
    try config?.object()[key] == nil ? nil : try config?.member(key)
  }

  private mutating func readNamed() throws {
    for (key, field) in try config?.members() ?? [] where key.hasSuffix("_token") {
      if Self.roles.contains(key) {
        named[key] = .some(field.node.isNull || field.node.string == "" ? nil : try Token(config: field))
      } else if field.node.string != nil || field.node.object != nil {
        others.append(try Token(config: field))
      }
    }
  }

  /// Of the two keys the newer one counts if it is not empty. An object names roles of the model's own.
  private mutating func readExtra() throws {
    let newer = try member("extra_special_tokens"), older = try member("additional_special_tokens")
    if let object = newer?.node.object, !object.keys.isEmpty {
      others += try newer?.members().map { try Token(config: $0.field) } ?? []
    }
    let list = newer?.node.array?.isEmpty == false ? newer : older ?? newer
    guard let list, list.node.object == nil else { return }
    extra = list.node.isNull ? [] : try list.elements().map { try Token(config: $0) }
  }

  private mutating func readMap(_ files: TokenizerFiles) throws {
    for (key, field) in try files.jsonIfThere("special_tokens_map.json")?.members() ?? [] {
      if Self.roles.contains(key) {
        named[key] = .some(field.node.isNull || field.node.string == "" ? nil : try Token(map: field))
      } else if key == "extra_special_tokens" {
        let known = Set((extra ?? []).map { Array($0.token.content.unicodeScalars) })
        extra =
          (extra ?? [])
          + (try field.elements().map { try Token(map: $0) })
          .filter { !known.contains(Array($0.token.content.unicodeScalars)) }
      } else if key == "additional_special_tokens" {
        if extra == nil { extra = try field.elements().map { try Token(config: $0) } }
      } else if key.hasSuffix("_token") {
        others.append(try Token(map: field))
      }
    }
  }

  private mutating func readAddedTokens(_ files: TokenizerFiles) throws {
    var special = ScalarTable()
    for token in named.values.compactMap({ $0 }) + (extra ?? []) {
      special.insert(Array(token.token.content.unicodeScalars)[...])
    }
    for (content, field) in try files.jsonIfThere("added_tokens.json")?.members(named: false) ?? [] {
      let isSpecial = special.find(Array(content.unicodeScalars)[...]) != nil
      let id = try field.id(of: content)
      record(AddedToken(content: content, id: id, isSpecial: isSpecial, isNormalized: !isSpecial), field.place)
    }
  }

  private mutating func record(_ token: AddedToken, _ place: FilePlace, hasNoForm: Bool = false) {
    listed.append(Token(token: token, hasNoForm: hasNoForm, place: place))
  }
}

extension TokenizerConfig.Token {
  /// A special token of which only the text is known.
  init(text: String, place: FilePlace) {
    self.init(token: AddedToken(content: text, id: -1), isText: true, place: place)
  }

  /// Reads a token of tokenizer_config.json: its text, or an object marked as an `AddedToken`.
  fileprivate init(config field: JSONField) throws {
    if field.node.string == nil, try field.optional("__type")?.string() != "AddedToken" {
      throw field.error("must be a token's text, or an object with \"__type\": \"AddedToken\"")
    }
    try self.init(field, isSpecial: false)
  }

  /// Reads a token of special_tokens_map.json, where objects are always special.
  fileprivate init(map field: JSONField) throws { try self.init(field, isSpecial: true) }

  private init(_ field: JSONField, isSpecial: Bool) throws {
    if let text = field.node.string {
      self.init(token: AddedToken(content: text, id: -1), isText: true, place: field.place)
    } else {
      var token = try AddedToken(field, also: "__type") { key, usual in
        try field.flag(key, or: key == "special" ? isSpecial : usual)
      }
      token.isSpecial = token.isSpecial || isSpecial
      self.init(token: token, hasNoForm: field.node["normalized"] == nil, place: field.place)
    }
  }
}

extension AddedToken {
  /// Reads a member of `added_tokens_decoder`, whose key is the id.
  fileprivate init(listed field: JSONField, id key: String) throws {
    try self.init(field, also: "__type") { key, usual in try field.flag(key, or: key == "special" ? false : usual) }
    guard let id = Int32(key), id >= 0 else { throw TokenizerError.idOutOfRange(field.place, token: content) }
    self.id = id
  }

  /// Reads an element of `added_tokens` in tokenizer.json, which has all flags.
  init(tokenizerJSON field: JSONField) throws {
    try self.init(field, also: "id") { key, _ in try field.member(key).bool() }
    id = try field.member("id").id(of: content)
  }

  fileprivate init(
    _ field: JSONField, also other: String, _ flag: (_ key: String, _ usual: Bool) throws -> Bool
  ) throws {
    try field.requireOnly([other, "content", "single_word", "lstrip", "rstrip", "normalized", "special"])
    self.init(content: try field.member("content").string(), id: -1)
    isSpecial = try flag("special", true)
    isNormalized = try flag("normalized", !isSpecial)
    isSingleWord = try flag("single_word", false)
    stripsLeft = try flag("lstrip", false)
    stripsRight = try flag("rstrip", false)
  }
}

extension String {
  /// Whether both have the same scalars; `==` takes canonically equivalent texts for the same.
  func isSame(as other: String) -> Bool { unicodeScalars.elementsEqual(other.unicodeScalars) }
}
