import Diagnostics

/// The tokenizer of a tokenizer.model alone (LLaMA): SentencePiece's ids after the begin token.
extension TokenizerParts {
  /// Reads tokenizer.model, and from tokenizer_config.json the tokens to find in texts (`added_tokens_decoder`,
  /// `additional_special_tokens`), `add_bos_token` (default: true), `add_eos_token` and `legacy`.
  ///
  /// If the configuration lists no tokens, `<s>` in a text is three characters, as in SentencePiece itself.
  init(sentencePiece files: TokenizerFiles) throws {
    let file = try SentencePieceFile(try files.bytes("tokenizer.model"), file: files.path("tokenizer.model"))
    let special = try SpecialTokens(files)
    var vocabulary = Vocabulary(capacity: file.pieces.count)
    let place = FilePlace(file: file.file, line: 1)
    for (id, piece) in file.pieces.enumerated() { try vocabulary.add(piece.text, id: Int32(id), place: place) }
    if file.pieces.contains(where: { $0.kind == .unused }) {
      throw TokenizerError.badModelFile(file: file.file, problem: "unused pieces are not supported")
    }
    switch file.kind {
    case .unigram: self.init(model: try Unigram(file, vocabulary: vocabulary))
    case .bytePairs: self.init(model: try BytePairEncoding(file, vocabulary: vocabulary))
    case .word, .character:
      throw TokenizerError.badModelFile(
        file: file.file, problem: "models of words or characters are not supported (supported: unigram, bpe)")
    }
    var spaces = try SentencePieceNormalizer(file)
    spaces.addsPrefixAfterTokens = try special.flag("legacy") ?? true
    normalizer = .sentencePiece(spaces)
    decoder = .sentencePiece(try SentencePieceDecoder(file))
    specialIDs = Set(file.pieces.indices.filter { file.pieces[$0].kind == .control }.map { Int32($0) })
    try addTokens(file, special, place: place)
    try addEnds(file, special)
  }

  private mutating func addTokens(_ file: SentencePieceFile, _ special: SpecialTokens, place: FilePlace) throws {
    for (token, place) in try special.listed() { try add(token, place: place) }
    try addAdditional(special)
    // Byte pairs never merge across a user-defined symbol. A unigram model treats it like its other pieces.
    guard file.kind == .bytePairs else { return }
    let known = Set(added.map(\.id))
    for (id, piece) in file.pieces.enumerated() where piece.kind == .userDefined && !known.contains(Int32(id)) {
      try add(AddedToken(content: piece.text, id: Int32(id), isSpecial: false, isNormalized: true), place: place)
    }
  }

  private mutating func addEnds(_ file: SentencePieceFile, _ special: SpecialTokens) throws {
    func end(_ role: String, _ usual: String, isAdded: Bool) throws -> [PostProcessor.Part] {
      guard isAdded else { return [] }
      guard let (token, place) = try special.token(role) else {
        return file.controlID(usual).map { [.special([$0], typeID: 0)] } ?? []
      }
      guard let id = id(token.content) else { throw TokenizerError.unknownToken(place, token: token.content) }
      return [.special([id], typeID: 0)]
    }
    let left = try end("bos_token", file.beginPiece, isAdded: special.flag("add_bos_token") ?? true)
    let right = try end("eos_token", file.endPiece, isAdded: special.flag("add_eos_token") ?? false)
    let single = left + [.text(0, typeID: 0)] + right
    postProcessor = PostProcessor(single: single, pair: single + left + [.text(1, typeID: 0)] + right)
  }
}

extension BytePairEncoding {
  /// SentencePiece's byte pairs: two neighbours merge if the vocabulary has their concatenation, highest score first.
  init(_ file: SentencePieceFile, vocabulary: Vocabulary) throws {
    let normal = file.pieces.enumerated().filter { $1.kind == .normal }
    let ranks = Dictionary(
      Set(normal.map(\.element.score)).sorted(by: >).enumerated().map { ($1, Int32($0)) }, uniquingKeysWith: min)
    let parts = normal.map { (id: Int32($0), scalars: Array($1.text.unicodeScalars), rank: ranks[$1.score] ?? 0) }
    var known = ScalarTable(capacity: parts.count)
    for part in parts { known.insert(part.scalars[...]) }
    var table = MergeTable(capacity: parts.count * 4)
    for part in parts where part.scalars.count > 1 {
      for cut in 1..<part.scalars.count {
        guard let left = known.find(part.scalars[..<cut]), let right = known.find(part.scalars[cut...]) else {
          continue
        }
        table.add(left: parts[left].id, right: parts[right].id, rank: part.rank, result: part.id)
      }
      for index in part.scalars.indices where known.find(part.scalars[index...index]) == nil {
        let character = String(scalars: [part.scalars[index]])
        throw TokenizerError.badModelFile(
          file: file.file,
          problem: "the piece \"\(String(scalars: part.scalars))\" has the character "
            + "\"\(character)\", which is not a piece")
      }
    }
    var options = Options()
    options.unknownID = try file.unknownID()
    options.fusesUnknown = true
    options.byteIDs = file.byteIDs()
    self.init(vocabulary: vocabulary, merges: table, options: options)
  }
}
