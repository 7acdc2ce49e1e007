import StrictJSON

extension PostProcessor {
  /// Supported types of tokenizer.json.
  static let types = ["BertProcessing", "RobertaProcessing", "TemplateProcessing", "ByteLevel", "Sequence"]

  /// Reads `post_processor` of tokenizer.json. `idOf` gives the id that a special token must have.
  init(_ field: JSONField, idOf: (String) -> Int32?) throws {
    let type = try field.member("type")
    var known = ["type"]
    switch try type.string() {
    case "BertProcessing":
      known += ["sep", "cls"]
      self = .bert(cls: try Self.token(field.member("cls"), idOf), sep: try Self.token(field.member("sep"), idOf))
    case "RobertaProcessing":
      known += ["sep", "cls", "trim_offsets", "add_prefix_space"]
      self = .roberta(cls: try Self.token(field.member("cls"), idOf), sep: try Self.token(field.member("sep"), idOf))
    case "TemplateProcessing":
      known += ["single", "pair", "special_tokens"]
      self = try Self.template(field, idOf)
    case "ByteLevel":
      known += ["add_prefix_space", "trim_offsets", "use_regex"]
      self = .none
    case "Sequence":
      known.append("processors")
      self = try Self.sequence(field.member("processors"), idOf)
    case let other: throw type.unsupported(other, Self.types)
    }
    try field.requireOnly(known)
  }

  /// A small file could add any number of tokens (a special token repeated in every part), so there is a limit.
  private static let maximumAdded = 1024

  /// Reads `["[SEP]", 102]`.
  private static func token(_ field: JSONField, _ idOf: (String) -> Int32?) throws -> Int32 {
    let elements = try field.elements()
    guard elements.count == 2 else {
      throw field.error("must be a token and its id")
    }
    let token = try elements[0].string()
    return try checked(token, id: elements[1], idOf)
  }

  private static func checked(_ token: String, id field: JSONField, _ idOf: (String) -> Int32?) throws -> Int32 {
    let id = try field.id(of: token)
    guard let actual = idOf(token) else { throw TokenizerError.unknownToken(field.place, token: token) }
    guard actual == id else { throw TokenizerError.idMismatch(field.place, token: token, given: id, actual: actual) }
    return id
  }

  private static func template(_ field: JSONField, _ idOf: (String) -> Int32?) throws -> PostProcessor {
    var special: [String: [Int32]] = [:]
    for (name, token) in try field.member("special_tokens").members() {
      try token.requireOnly(["id", "ids", "tokens"])
      let ids = try token.member("ids").elements(), tokens = try token.member("tokens").elements()
      guard ids.count == tokens.count else {
        throw token.error("ids and tokens must have the same length")
      }
      special[name] = try zip(tokens, ids).map { try checked($0.string(), id: $1, idOf) }
    }
    let single = try parts(field.member("single"), special, texts: 1)
    return PostProcessor(single: single, pair: try parts(field.member("pair"), special, texts: 2))
  }

  /// Reads a template, which must use all texts.
  private static func parts(_ field: JSONField, _ special: [String: [Int32]], texts: Int) throws -> [Part] {
    var used: Set<Int> = []
    let parts: [Part] = try field.elements().map { element in
      try element.requireOnly(["Sequence", "SpecialToken"])
      guard try element.members().count == 1 else {
        throw element.error("must be either Sequence or SpecialToken")
      }
      let sequence = try element.optional("Sequence")
      let content = try sequence ?? element.member("SpecialToken")
      try content.requireOnly(["id", "type_id"])
      let name = try content.member("id")
      let typeID = try content.member("type_id").id(of: name.string())
      if sequence == nil {
        guard let ids = special[try name.string()] else {
          throw TokenizerError.unknownToken(name.place, token: try name.string())
        }
        return .special(ids, typeID: typeID)
      }
      guard let index = ["A", "B"].firstIndex(of: try name.string()), index < texts else {
        throw name.unsupported(try name.string(), texts == 1 ? ["A"] : ["A", "B"])
      }
      guard used.insert(index).inserted else {
        throw name.error("a text can be used only once")
      }
      return .text(index, typeID: typeID)
    }
    guard used.count == texts else {
      throw field.error("must use every text (\(texts == 1 ? "A" : "A and B"))")
    }
    let added = PostProcessor(single: parts, pair: []).addedCount(isPair: false)
    guard added <= maximumAdded else {
      throw field.error("adds \(added) tokens, more than \(maximumAdded)")
    }
    return parts
  }

  /// Reads a sequence, in which at most one processor may add tokens.
  private static func sequence(_ field: JSONField, _ idOf: (String) -> Int32?) throws -> PostProcessor {
    var result: PostProcessor?
    for element in try field.elements() {
      let processor = try PostProcessor(element, idOf: idOf)
      if try element.member("type").string() == "ByteLevel" { continue }
      guard result == nil else {
        throw element.unsupported("a second processor that adds tokens", ["one, besides ByteLevel"])
      }
      result = processor
    }
    return result ?? .none
  }
}
