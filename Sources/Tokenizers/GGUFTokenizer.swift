import Checkpoints
import Diagnostics
import StrictJSON

/// A tokenizer of the metadata of a GGUF file.
extension TokenizerParts {
  /// - Parameter addsPrefixSpace: whether a text begins as if a space stood before it, whatever the file says.
  init(gguf metadata: GGUFMetadata, addsPrefixSpace: Bool) throws {
    let file = try GGUFVocabulary(metadata)
    func json(_ text: String) throws -> JSONField { try JSONField(parsing: Array(text.utf8), file: metadata.path) }
    var hasBegin = true
    switch file.kind {
    case .pieces:
      self.init(model: try file.pieces())
      let spaces = #"{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}"#
      if try metadata.bool("tokenizer.ggml.add_space_prefix") ?? true {
        let steps = [#"{"type": "Prepend", "prepend": "▁"}"#, spaces]
        normalizer = try Normalizer(json(TokenizerClass.sequence("normalizers", steps)))
        decoder = try TokenDecoder(
          json(TokenizerClass.piecesDecoder(more: #", {"type": "Strip", "content": " ", "start": 1, "stop": 0}"#)))
      } else {
        normalizer = try Normalizer(json(spaces))
        decoder = try TokenDecoder(json(TokenizerClass.piecesDecoder()))
      }
    case .bytePairs:
      let key = "tokenizer.ggml.pre", name = try metadata.text(key) ?? "default"
      guard let rule = WordRule.all.first(where: { $0.names.contains(name) }) else {
        throw TokenizerError.unsupported(
          file.place(key), value: JSONWriter.quoted(name.clipped), supported: WordRule.all.flatMap(\.names))
      }
      self.init(model: try file.bytePairs(ignoresMerges: rule.ignoresMerges))
      preTokenizer = try rule.preTokenizer(addsPrefixSpace: addsPrefixSpace, file: metadata.path)
      normalizer = try rule.normalizer.map { try Normalizer(json($0)) }
      decoder = try TokenDecoder(
        json(#"{"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true}"#))
      hasBegin = rule.hasBegin
    }
    for token in try file.added() { try add(token, place: file.place(GGUFVocabulary.tokensKey)) }
    named = try TokenizerConfig.roles.compactMap { role in
      try file.special(role).map { (role, file.tokens[Int($0)]) }
    }
    try setFrame(file, hasBegin: hasBegin)
  }

  private mutating func setFrame(_ file: GGUFVocabulary, hasBegin: Bool) throws {
    func end(_ role: String, _ option: String, or standard: Bool, typeID: Int32) throws -> [PostProcessor.Part] {
      guard try file.metadata.bool("tokenizer.ggml.\(option)") ?? standard, let id = try file.special(role) else {
        return []
      }
      return [.special([id], typeID: typeID)]
    }
    func text(_ index: Int, typeID: Int32) throws -> [PostProcessor.Part] {
      try end("bos_token", "add_bos_token", or: hasBegin, typeID: typeID) + [.text(index, typeID: typeID)]
        + end("eos_token", "add_eos_token", or: false, typeID: typeID)
    }
    let single = try text(0, typeID: 0)
    postProcessor = PostProcessor(single: single, pair: single + (try text(1, typeID: 1)))
  }
}

/// The vocabulary in the metadata of a GGUF file.
private struct GGUFVocabulary {
  static let tokensKey = "tokenizer.ggml.tokens"

  /// SentencePiece's types of pieces.
  enum Kind: Int {
    case normal = 1, unknown, control, userDefined, unused, byte
  }

  let metadata: GGUFMetadata
  let kind: GGUFTokenizerKind
  let tokens: [String]
  private let kinds: [Kind]

  init(_ metadata: GGUFMetadata) throws {
    self.metadata = metadata
    let modelKey = "tokenizer.ggml.model"
    guard let model = try metadata.text(modelKey) else { throw metadata.missing(modelKey) }
    guard let kind = GGUFTokenizerKind(rawValue: model) else {
      throw TokenizerError.unsupported(
        FilePlace(file: metadata.path, line: 1, field: modelKey), value: JSONWriter.quoted(model.clipped),
        supported: GGUFTokenizerKind.allCases.map(\.rawValue))
    }
    guard let stored = try metadata.texts(Self.tokensKey) else { throw metadata.missing(Self.tokensKey) }
    let key = "tokenizer.ggml.token_type", numbers = try metadata.integers(key)
    guard numbers?.count ?? stored.count == stored.count else {
      throw metadata.wrong(key, "a list of \(stored.count) numbers", "one of \(numbers?.count ?? 0)")
    }
    let kinds = try numbers.map { numbers in
      try numbers.map { number in
        // 0 stands for none.
        guard let kind = number == 0 ? .normal : Kind(rawValue: number) else {
          throw metadata.wrong(key, "a list of numbers from 0 to 6", "one with \(number)")
        }
        return kind
      }
    }
    self.kinds = kinds ?? Array(repeating: .normal, count: stored.count)
    // In symbols of the user llama.cpp has spaces for SentencePiece's ▁.
    tokens =
      kind == .pieces
      ? zip(stored, self.kinds).map { $1 == .userDefined ? $0.replacing(" ", with: "▁") : $0 } : stored
    self.kind = kind
  }

  func place(_ key: String) -> FilePlace { FilePlace(file: metadata.path, line: 1, field: key) }

  /// The id of a special token; nil if the file names none.
  func special(_ role: String) throws -> Int32? {
    let names = [
      "unk_token": "unknown", "sep_token": "seperator", "pad_token": "padding", "bos_token": "bos", "eos_token": "eos",
      "cls_token": "cls", "mask_token": "mask",
    ]
    guard let name = names[role], case let key = "tokenizer.ggml.\(name)_token_id" else { return nil }
    let usual = ["bos_token": 1, "eos_token": 2, "unk_token": 0]
    guard let id = try metadata.integer(key) ?? (kind == .pieces ? usual[role] : nil) else { return nil }
    guard tokens.indices.contains(id) else {
      throw metadata.wrong(key, "below the number of tokens (\(tokens.count))", "\(id)")
    }
    return Int32(clamping: id)
  }

  /// Tokens that are searched for in texts.
  func added() throws -> [AddedToken] {
    // Those of Phi 3 take the white space after them, which the file does not say.
    let keepsSpace = kind != .pieces || !tokens.contains("<|assistant|>")
    let plain: Set<String> = ["<unk>", "<s>", "<|endoftext|>"]
    return zip(tokens, kinds).enumerated().compactMap { id, token in
      let (text, kind) = token
      guard [.unknown, .control, .userDefined].contains(kind), !text.isEmpty else { return nil }
      // Gemma's unused tokens are control tokens in GGUF only.
      return AddedToken(
        content: text, id: Int32(clamping: id), isSpecial: kind != .userDefined && !text.hasPrefix("<unused"),
        stripsRight: !keepsSpace && !plain.contains(text))
    }
  }

  private func vocabulary() throws -> Vocabulary {
    var vocabulary = Vocabulary(capacity: tokens.count)
    for (id, token) in tokens.enumerated() {
      try vocabulary.add(token, id: Int32(clamping: id), place: place(Self.tokensKey))
    }
    return vocabulary
  }

  /// Byte pairs over bytes that are spelled as letters.
  func bytePairs(ignoresMerges: Bool) throws -> BytePairEncoding {
    let key = "tokenizer.ggml.merges"
    guard let merges = try metadata.texts(key) else { throw metadata.missing(key) }
    var options = BytePairEncoding.Options()
    options.ignoresMerges = ignoresMerges
    return try BytePairEncoding(
      vocabulary: vocabulary(), merges: merges, options: options
    ) { place("\(key)[\($0)]") }
  }

  /// SentencePiece's pieces, with bytes for what they lack.
  func pieces() throws -> BytePairEncoding {
    let key = "tokenizer.ggml.scores"
    guard let scores = try metadata.numbers(key) else { throw metadata.missing(key) }
    guard scores.count == tokens.count else {
      throw metadata.wrong(key, "a list of \(tokens.count) numbers", "one of \(scores.count)")
    }
    guard scores.allSatisfy(\.isFinite) else {
      throw metadata.wrong(key, "a list of finite numbers", "one with others")
    }
    // The limit of SentencePiece's trainer.
    let longest = 512
    guard tokens.allSatisfy({ $0.unicodeScalars.count <= longest }) else {
      throw metadata.wrong(Self.tokensKey, "a list of texts of at most \(longest) characters", "one with longer ones")
    }
    let vocabulary = try vocabulary()
    let unknown = try special("unk_token").map { tokens[Int($0)] }
    return try BytePairEncoding(
      vocabulary: vocabulary, pieces: tokens, scores: zip(scores, kinds).map { $1 == .normal ? $0 : 0 },
      options: BytePairEncoding.Options(
        vocabulary, unknown: unknown, fallsBackToBytes: true, place: place(Self.tokensKey)))
  }
}
