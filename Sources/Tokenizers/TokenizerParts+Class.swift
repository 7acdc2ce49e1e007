import Diagnostics
import Foundation
import StrictJSON

/// A tokenizer of a model directory, put together as transformers' `AutoTokenizer` does.
extension TokenizerParts {
  /// - Parameters:
  ///   - registered: the tokenizer class that transformers registers for the model family; nil if none.
  ///   - isForced: whether it counts even if the files name another one.
  ///   - addsPrefixSpace: whether `add_prefix_space` is true, whatever the files say.
  init(directory: String, registered: String?, isForced: Bool, addsPrefixSpace: Bool = false) throws {
    let files = TokenizerFiles(directory: directory)
    let root = try files.jsonIfThere("tokenizer.json")
    var config = try TokenizerConfig(files, tokenizerJSON: root)
    config.addsPrefixSpace = addsPrefixSpace
    let kind = try TokenizerClass.chosen(files, config, registered: registered, isForced: isForced, tokenizerJSON: root)
    if let kind {
      self = try TokenizerParts(kind, files, root, &config)
    } else if let root {
      self = try TokenizerParts(tokenizerJSON: root)
      if let pad = try root.optional("padding")?.optional("pad_token") {
        let token = AddedToken(content: try pad.string(), id: -1)
        config.setDefault("pad_token", TokenizerConfig.Token(token: token, isText: true, place: pad.place))
      }
      try addTokens(of: config)
    } else if files.exists("tokenizer.model") {
      try self.init(sentencePiece: files, &config)
    } else if files.exists("vocab.txt") || files.exists("vocab.json") {
      throw TokenizerError.noClass(
        directory: directory, supported: TokenizerClass.all.filter { files.exists($0.vocabularyFile) }.flatMap(\.names))
    } else {
      throw TokenizerError.noTokenizer(directory: directory)
    }
    named = TokenizerConfig.roles.compactMap { role in config.token(role).map { (role, $0.token.content) } }
    splitsSpecialTokens = try config.flag("split_special_tokens", or: false)
    let isBytePairs = model is BytePairEncoding
    let force = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"
    let cleans = try config.flag("clean_up_tokenization_spaces", or: false)
    cleansUpText = try cleans && (!isBytePairs || config.flag(force, or: false))
  }

  /// The parts of a class around the vocabulary of the files.
  private init(
    _ kind: TokenizerClass, _ files: TokenizerFiles, _ root: JSONField?, _ config: inout TokenizerConfig
  ) throws {
    let given = config
    let source = try VocabularySource(kind, files, root, given)
    if config.extra == nil {
      let file = source.file
      config.setExtra(
        source.added ?? kind.extra.map { TokenizerConfig.Token(text: $0, place: FilePlace(file: file, line: 1)) })
    }
    for (role, text) in kind.tokens {
      config.setDefault(role, TokenizerConfig.Token(text: text, place: FilePlace(file: source.file, line: 1)))
    }
    config.writeOut(kind.token)
    self.init(model: try source.model(kind, config))
    let pipeline = try kind.pipeline(TokenizerClass.Options(config: config, charactersMap: source.charactersMap))
    func json(_ text: String) throws -> JSONField { try JSONField(parsing: Array(text.utf8), file: kind.names[0]) }
    normalizer = try pipeline.normalizer.map { try Normalizer(json($0)) }
    preTokenizer = try PreTokenizer(json(pipeline.preTokenizer))
    decoder = try TokenDecoder(json(pipeline.decoder))
    try addTokens(of: config)
    if kind.addsSpecialTokensAgain {
      for token in config.special { try register(AddedToken(content: token.token.content, id: -1), token.place) }
    }
    try setFrame(kind.frame, root, config)
  }

  private mutating func setFrame(
    _ frame: TokenizerClass.Frame, _ root: JSONField?, _ config: TokenizerConfig
  ) throws {
    func role(_ name: String) throws -> Int32 {
      let token = try config.requiredToken(name)
      guard let id = id(token.token.content) else {
        throw TokenizerError.unknownToken(token.place, token: token.token.content)
      }
      return id
    }
    switch frame {
    case .bert(let begin, let end): postProcessor = .bert(cls: try role(begin), sep: try role(end))
    case .roberta(let begin, let end): postProcessor = .roberta(cls: try role(begin), sep: try role(end))
    case .ofOptions: try setEnds(config, isIgnored: root != nil)
    case .ofFile, .bertUnlessGiven:
      let isGiven = try config.flag("add_bos_token") != nil || config.flag("add_eos_token") != nil
      if let field = try root?.optional("post_processor") {
        postProcessor = try PostProcessor(field, idOf: id)
      } else if case .bertUnlessGiven = frame, root != nil || !isGiven {
        postProcessor = .bert(cls: try role("cls_token"), sep: try role("sep_token"))
      } else {
        try setEnds(config, isIgnored: root != nil)
      }
    }
  }

  /// Puts the begin and end token around texts where the options ask for them, which count only without tokenizer.json.
  private mutating func setEnds(_ config: TokenizerConfig, isIgnored: Bool) throws {
    func end(_ role: String, _ option: String, typeID: Int32) throws -> [PostProcessor.Part] {
      guard try !isIgnored && config.flag(option, or: false), let token = config.token(role),
        let id = id(token.token.content)
      else { return [] }
      return [.special([id], typeID: typeID)]
    }
    func text(_ index: Int, typeID: Int32) throws -> [PostProcessor.Part] {
      try end("bos_token", "add_bos_token", typeID: typeID) + [.text(index, typeID: typeID)]
        + end("eos_token", "add_eos_token", typeID: typeID)
    }
    let single = try text(0, typeID: 0)
    postProcessor = PostProcessor(single: single, pair: single + (try text(1, typeID: 1)))
  }

  /// The general class around a SentencePiece file: spaces become `▁`, nothing is put in front.
  private init(sentencePiece files: TokenizerFiles, _ config: inout TokenizerConfig) throws {
    let file = try SentencePieceFile(files, "tokenizer.model")
    let place = FilePlace(file: file.file, line: 1)
    if config.extra == nil { config.setExtra(file.addedTokens) }
    for (role, piece) in file.roles {
      config.setDefault(role, TokenizerConfig.Token(text: piece, place: place))
    }
    if file.kind == .unigram {
      guard config.listed.isEmpty else {
        throw TokenizerError.unsupported(
          config.listed[0].place, value: "added_tokens_decoder beside a unigram model without a tokenizer class",
          supported: TokenizerClass.all.filter { $0.vocabularyFile.hasSuffix(".model") }.flatMap(\.names))
      }
      let pieces = file.unigramPieces
      self.init(
        model: try Unigram(
          pieces, unknownID: file.unknownID ?? -1, fallsBackToBytes: file.fallsBackToBytes, place: place))
    } else {
      var texts = file.pieces.map(\.text)
      // A listed token takes the place of a piece that stands there for it.
      let known = Set(texts.map { Array($0.unicodeScalars) })
      for token in config.listed where texts.indices.contains(Int(token.token.id)) {
        if !known.contains(Array(token.token.content.unicodeScalars)) {
          texts[Int(token.token.id)] = token.token.content
        }
      }
      self.init(
        model: try BytePairEncoding(
          pieces: file.pieces.map(\.text), names: texts, unknown: file.unknownPiece,
          fallsBackToBytes: file.fallsBackToBytes, place: place))
    }
    func json(_ text: String) throws -> JSONField { try JSONField(parsing: Array(text.utf8), file: file.file) }
    let spaces = #"{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}"#
    let steps = (file.charactersMap.map { [TokenizerClass.precompiled($0)] } ?? []) + [spaces]
    normalizer = try Normalizer(json(TokenizerClass.sequence("normalizers", steps)))
    let marks = #"{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}"#
    decoder = try TokenDecoder(json(file.fallsBackToBytes ? TokenizerClass.piecesDecoder() : marks))
    try addTokens(of: config)
    try setEnds(config, isIgnored: false)
  }
}

/// The vocabulary of a tokenizer class, from tokenizer.json or else from its own files.
private enum VocabularySource {
  case json(JSONField)
  case text(String, TokenizerFiles)
  case sentencePiece(SentencePieceFile)

  init(_ kind: TokenizerClass, _ files: TokenizerFiles, _ root: JSONField?, _ config: TokenizerConfig) throws {
    if let root {
      self = .json(root)
    } else if kind.vocabularyFile.hasSuffix(".model") {
      let name = files.exists("tokenizer.model") ? "tokenizer.model" : kind.vocabularyFile
      guard files.exists(name) else { throw TokenizerError.noVocabulary(files.directory, kind.names[0], files: [name]) }
      self = .sentencePiece(try SentencePieceFile(files, name))
    } else {
      var needed = [kind.vocabularyFile]
      if kind.vocabularyFile == "vocab.json", !files.exists("vocab.bpe") { needed.append("merges.txt") }
      guard needed.allSatisfy(files.exists) else {
        throw TokenizerError.noVocabulary(files.directory, kind.names[0], files: needed)
      }
      self = .text(kind.vocabularyFile, files)
    }
  }

  var file: String {
    switch self {
    case .json(let root): root.file
    case .text(let name, let files): files.path(name)
    case .sentencePiece(let file): file.file
    }
  }

  /// The tokens that a SentencePiece file adds; nil for other files.
  var added: [TokenizerConfig.Token]? { if case .sentencePiece(let file) = self { file.addedTokens } else { nil } }

  /// SentencePiece's character map, in Base64.
  var charactersMap: String? {
    switch self {
    case .json(let root):
      let normalizer = root.node["normalizer"]
      let steps = normalizer?["normalizers"]?.array ?? (normalizer.map { [$0] } ?? [])
      return steps.lazy.compactMap { $0["precompiled_charsmap"]?.string }.first
    case .text: return nil
    case .sentencePiece(let file): return file.charactersMap
    }
  }

  func model(_ kind: TokenizerClass, _ config: TokenizerConfig) throws -> any Model {
    let place = FilePlace(file: file, line: 1)
    switch kind.model {
    case .wordPiece:
      let vocabulary = try tokens()
      return WordPiece(vocabulary: vocabulary, unknownID: try unknown(config, in: vocabulary, place))
    case .bytePairs(let fallsBackToBytes, let hasUnknown):
      let unknown = hasUnknown ? config.token("unk_token")?.token.content : nil
      switch self {
      case .sentencePiece(let file):
        let texts = file.pieces.map(\.text)
        return try BytePairEncoding(
          pieces: texts, names: texts, unknown: unknown, fallsBackToBytes: fallsBackToBytes, place: place)
      case .json(let root):
        let vocabulary = try tokens(), field = try root.member("model")
        return try BytePairEncoding(
          vocabulary, merges: field.member("merges"),
          BytePairEncoding.Options(vocabulary, unknown: unknown, fallsBackToBytes: fallsBackToBytes, place: place))
      case .text(_, let files):
        let merges = files.exists("merges.txt") ? "merges.txt" : "vocab.bpe"
        return try BytePairEncoding(
          vocabulary: tokens(), mergeLines: files.lines(merges), file: files.path(merges))
      }
    case .unigram(let rule):
      let (pieces, fileUnknown) = try unigramPieces(kind, config)
      let unknown = config.token("unk_token")?.token.content ?? ""
      let named = pieces.firstIndex { $0.text.isSame(as: unknown) }.map { Int32($0) }
      let id =
        switch rule {
        case .at(let id): id
        case .namedOrFirst: named ?? 0
        case .named(let id): named.flatMap { pieces[Int($0)].score == 0 ? $0 : nil } ?? fileUnknown ?? id
        }
      return try Unigram(pieces, unknownID: id, fallsBackToBytes: false, place: place)
    }
  }

  private func unknown(_ config: TokenizerConfig, in vocabulary: Vocabulary, _ place: FilePlace) throws -> Int32 {
    let token = try config.requiredToken("unk_token")
    guard let id = vocabulary.id(token.token.content) else {
      throw TokenizerError.unknownToken(token.place, token: token.token.content)
    }
    return id
  }

  /// Tokens and ids of vocab.txt, vocab.json or tokenizer.json.
  private func tokens() throws -> Vocabulary {
    switch self {
    case .json(let root): return try Vocabulary(root.member("model").member("vocab"))
    case .text(let name, let files):
      if name.hasSuffix(".json") { return try Vocabulary(files.json(name)) }
      let lines = try files.lines(name), file = files.path(name)
      var vocabulary = Vocabulary(capacity: lines.count)
      for (index, line) in lines.enumerated() {
        try vocabulary.add(line, id: Int32(clamping: index), place: FilePlace(file: file, line: index + 1))
      }
      return vocabulary
    case .sentencePiece(let file): throw file.error("a SentencePiece model where a list of words is expected")
    }
  }

  private func unigramPieces(
    _ kind: TokenizerClass, _ config: TokenizerConfig
  ) throws -> (pieces: [UnigramPiece], unknownID: Int32?) {
    switch self {
    case .json(let root): return (try UnigramPiece.list(root.member("model").member("vocab")), nil)
    case .sentencePiece(let file):
      let pieces = kind.pieces(file.unigramPieces) { config.token($0)?.token.content ?? "None" }
      return (pieces, file.unknownID)
    case .text: return ([], nil)
    }
  }
}
