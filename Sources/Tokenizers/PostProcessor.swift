import StrictJSON

/// The last step of encoding: puts special tokens around the ids of one or two texts.
struct PostProcessor: Sendable {
  /// A part of the result.
  enum Part: Sendable, Equatable {
    /// The first (0) or the second (1) text.
    case text(Int, typeID: Int32)
    case special([Int32], typeID: Int32)
  }

  var single: [Part]
  var pair: [Part]

  /// Adds nothing; the second text has type 1.
  static let none = PostProcessor(
    single: [.text(0, typeID: 0)], pair: [.text(0, typeID: 0), .text(1, typeID: 1)])

  /// BERT: `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`, type 1 from B on.
  static func bert(cls: Int32, sep: Int32) -> PostProcessor {
    let single = enclosed(cls, sep)
    return PostProcessor(single: single, pair: single + [.text(1, typeID: 1), .special([sep], typeID: 1)])
  }

  /// RoBERTa: `<s> A </s>` and `<s> A </s></s> B </s>`, all type 0.
  static func roberta(cls: Int32, sep: Int32) -> PostProcessor {
    let single = enclosed(cls, sep)
    return PostProcessor(single: single, pair: single + enclosed(sep, sep, text: 1))
  }

  private static func enclosed(_ before: Int32, _ after: Int32, text: Int = 0) -> [Part] {
    [.special([before], typeID: 0), .text(text, typeID: 0), .special([after], typeID: 0)]
  }

  func addedCount(isPair: Bool) -> Int {
    (isPair ? pair : single).reduce(0) { count, part in
      if case .special(let ids, _) = part { count + ids.count } else { count }
    }
  }

  /// The special tokens before a text that stands alone.
  var leadingCount: Int {
    single.prefix { if case .text = $0 { false } else { true } }.reduce(0) { count, part in
      if case .special(let ids, _) = part { count + ids.count } else { count }
    }
  }

  func process(_ first: ArraySlice<Int32>, _ second: ArraySlice<Int32>?) -> Encoding {
    var encoding = Encoding(ids: [], typeIDs: [])
    for part in second == nil ? single : pair {
      let (ids, typeID) =
        switch part {
        case .text(let index, let typeID): (index == 0 ? first : second ?? [], typeID)
        case .special(let ids, let typeID): (ids[...], typeID)
        }
      encoding.ids += ids
      encoding.typeIDs += repeatElement(typeID, count: ids.count)
    }
    return encoding
  }
}

/// The lengths of two texts after `longest_first` truncation. The shorter is cut only to half the room; if both are cut,
/// the longer gets the odd token.
func truncatedLengths(_ first: Int, _ second: Int, room: Int) -> (first: Int, second: Int) {
  if first + second <= room { return (first, second) }
  let shorter = min(first, second)
  let kept = shorter <= room / 2 ? (shorter, room - shorter) : (room / 2, room / 2 + room % 2)
  return first <= second ? kept : (kept.1, kept.0)
}

extension PostProcessor {
  private static let types: KeyValuePairs = [
    "BertProcessing": ["sep", "cls"], "RobertaProcessing": ["sep", "cls", "trim_offsets", "add_prefix_space"],
    "TemplateProcessing": ["single", "pair", "special_tokens"],
    "ByteLevel": ["add_prefix_space", "trim_offsets", "use_regex"], "Sequence": ["processors"],
  ]

  /// Reads `post_processor` of tokenizer.json. `idOf` gives the id that a special token must have.
  init(_ field: JSONField, idOf: (String) -> Int32?) throws {
    func token(_ key: String) throws -> Int32 { try Self.token(field.member(key), idOf) }
    switch try field.type(among: Self.types) {
    case "BertProcessing": self = .bert(cls: try token("cls"), sep: try token("sep"))
    case "RobertaProcessing": self = .roberta(cls: try token("cls"), sep: try token("sep"))
    case "TemplateProcessing": self = try Self.template(field, idOf)
    case "ByteLevel": self = .none
    default: self = try Self.sequence(field.member("processors"), idOf)
    }
  }

  /// A small file could add any number of tokens (a special token repeated in every part), so there is a limit.
  private static let maximumAdded = 1024

  /// Reads `["[SEP]", 102]`.
  private static func token(_ field: JSONField, _ idOf: (String) -> Int32?) throws -> Int32 {
    let elements = try field.elements()
    guard elements.count == 2 else { throw field.error("must be a token and its id") }
    return try checked(elements[0].string(), id: elements[1], idOf)
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
      guard ids.count == tokens.count else { throw token.error("ids and tokens must have the same length") }
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
      guard try element.members().count == 1 else { throw element.error("must be either Sequence or SpecialToken") }
      let sequence = try element.optional("Sequence")
      let content = try sequence ?? element.member("SpecialToken")
      try content.requireOnly(["id", "type_id"])
      let field = try content.member("id"), name = try field.string()
      let typeID = try content.member("type_id").id(of: name)
      if sequence == nil {
        guard let ids = special[name] else { throw TokenizerError.unknownToken(field.place, token: name) }
        return .special(ids, typeID: typeID)
      }
      let names = ["A", "B"].prefix(texts)
      guard let index = names.firstIndex(of: name) else { throw field.unsupported(name, Array(names)) }
      guard used.insert(index).inserted else { throw field.error("a text can be used only once") }
      return .text(index, typeID: typeID)
    }
    guard used.count == texts else { throw field.error("must use every text (\(texts == 1 ? "A" : "A and B"))") }
    let added = PostProcessor(single: parts, pair: []).addedCount(isPair: false)
    guard added <= maximumAdded else { throw field.error("adds \(added) tokens, more than \(maximumAdded)") }
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
