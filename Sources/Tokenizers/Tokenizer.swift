import Checkpoints
import Diagnostics

/// Turns texts into token ids and back, with the same result as the PyPI library `tokenizers`.
///
///     let tokenizer = try Tokenizer(modelDirectory: "models/all-MiniLM-L6-v2", tokenizerClass: "BertTokenizer")
///     let encoding = tokenizer.encode("Who is she?", pair: "A doctor.", maxLength: 128)
///     print(encoding.ids, tokenizer.tokens(of: encoding), tokenizer.decode(encoding.ids))
///
/// Texts are taken verbatim, scalar by scalar. Any number of threads may use a tokenizer at once. Truncation and padding
/// in tokenizer.json are ignored: they are up to the caller.
public struct Tokenizer: Sendable {
  /// The highest id + 1, added tokens included.
  public let vocabularySize: Int
  /// What the files say that has no effect, one sentence each.
  public let notes: [String]

  /// What the texts encoded and decoded so far ran into: regular expressions that took too many steps and were given up, one
  /// sentence each.
  public var textNotes: [String] {
    let expressions =
      (parts.normalizer?.expressions ?? []) + (parts.preTokenizer?.expressions ?? []) + parts.decoder.expressions
    return expressions.filter(\.hasGivenUp).map { expression in
      "\(expression.place): the regular expression \"\(expression.source.clipped)\" took too many steps on a text, "
        + "whose rest was taken as unmatched (`tokenizers` fails there)"
    }
  }

  let parts: TokenizerParts
  /// The added tokens that are searched for in the original text, and in normalised text.
  let verbatim: AddedTokens
  private let normalized: AddedTokens
  private let addedByID: [Int32: String]
  private let specialIDs: Set<Int32>

  /// Loads the tokenizer of a model directory as transformers' `AutoTokenizer` does: the class that
  /// tokenizer_config.json names, otherwise that of config.json, otherwise `tokenizerClass`, decides what is taken from
  /// tokenizer.json, or from vocab.txt, vocab.json with merges.txt, or a SentencePiece file. Of a GGUF file the metadata
  /// are read, unless a tokenizer.json lies beside it.
  ///
  /// - Parameters:
  ///   - tokenizerClass: the class that transformers registers for the model family; nil if it registers none.
  ///   - forcesClass: whether it counts even if the files name another one.
  ///   - addsPrefixSpace: whether the class is made with `add_prefix_space=True`, whatever the files say: for words that
  ///     are encoded one by one. Without effect on classes that have no such option, as in transformers.
  public init(
    modelDirectory: String, tokenizerClass: String? = nil, forcesClass: Bool = false, addsPrefixSpace: Bool = false
  ) throws {
    let place = try GGUFPlace(modelDirectory)
    let parts =
      if let path = place.metadata {
        try TokenizerParts(gguf: GGUFMetadata(path: path), addsPrefixSpace: addsPrefixSpace)
      } else {
        try TokenizerParts(
          directory: place.directory, registered: tokenizerClass, isForced: forcesClass,
          addsPrefixSpace: addsPrefixSpace)
      }
    self.parts = parts
    notes = parts.notes
    let special = parts.splitsSpecialTokens ? [] : parts.added.filter(\.isSpecial)
    let ordered = special + parts.added.filter { !$0.isSpecial }
    verbatim = AddedTokens(ordered.filter { !$0.isNormalized }) { Array($0.unicodeScalars) }
    normalized = AddedTokens(ordered.filter(\.isNormalized), spelling: parts.normalized)
    addedByID = Dictionary(parts.added.map { ($0.id, parts.spelling($0)) }, uniquingKeysWith: { first, _ in first })
    // `tokenizers` looks up the spelling, and so misses special tokens that are spelled otherwise than listed.
    specialIDs = Set(
      parts.added.filter {
        ($0.isSpecial || parts.specialIDs.contains($0.id)) && parts.spelling($0).isSame(as: $0.content)
      }
      .map(\.id))
    vocabularySize = Int(parts.added.reduce(parts.model.vocabulary.highestID) { max($0, $1.id) }) + 1
  }

  /// The ids of `text`, or of `text` and `pair`, with special tokens. Beyond `maxLength`, tokens are dropped from the end
  /// of the longer text first. Special tokens are never dropped.
  public func encode(_ text: String, pair: String? = nil, maxLength: Int? = nil) -> Encoding {
    encodeCounting(text, pair: pair, maxLength: maxLength).encoding
  }

  /// The same, with the number of tokens that were dropped.
  public func encodeCounting(
    _ text: String, pair: String? = nil, maxLength: Int? = nil
  ) -> (encoding: Encoding, dropped: Int) {
    let first = ids(of: text), second = pair.map(ids)
    guard let maxLength else { return (parts.postProcessor.process(first[...], second?[...]), 0) }
    let room = max(0, maxLength - specialTokenCount(isPair: pair != nil)), all = first.count + (second?.count ?? 0)
    let lengths = truncatedLengths(first.count, second?.count ?? 0, room: room)
    return (
      parts.postProcessor.process(first.prefix(lengths.first), second?.prefix(lengths.second)),
      all - lengths.first - lengths.second
    )
  }

  /// The ids of `text`, without special tokens and without a limit.
  public func ids(of text: String) -> [Int32] {
    var ids: [Int32] = []
    for piece in verbatim.split(Array(text.unicodeScalars)) {
      switch piece {
      case .token(let id, _): ids.append(id)
      case .text(let text):
        for piece in normalizedPieces(text) { encodeNormalized(piece, isStart: text.startIndex == 0, into: &ids) }
      }
    }
    return ids
  }

  var postProcessor: PostProcessor { parts.postProcessor }

  /// The number of special tokens that `encode` adds to one text, or to a pair.
  public func specialTokenCount(isPair: Bool) -> Int { parts.postProcessor.addedCount(isPair: isPair) }

  /// The tokens of an encoding, spelled as in the vocabulary.
  public func tokens(of encoding: Encoding) -> [String] { encoding.ids.map { token($0) ?? "" } }

  /// The token with an id, or nil.
  public func token(_ id: Int32) -> String? { addedByID[id] ?? parts.model.vocabulary.token(id) }

  /// The bytes that a token of the vocabulary stands for; nil for added tokens and unknown ids.
  func bytes(of id: Int32) -> [UInt8]? {
    addedByID[id] == nil ? parts.model.vocabulary.token(id).map(parts.decoder.bytes(of:)) : nil
  }

  /// Whether decoded texts leave a token out, such as begin, end and padding.
  public func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

  /// The text of `ids`. Unknown ids are skipped; bytes that are not UTF-8 become U+FFFD.
  public func decode(_ ids: some Sequence<Int32>, skipsSpecialTokens: Bool = true) -> String {
    let text = parts.decoder.text(of: pieces(ids, skipsSpecialTokens: skipsSpecialTokens))
    return parts.cleansUpText ? withoutSpacesBeforePunctuation(text) : text
  }

  /// Whether the text of `ids` ends in the middle of a character, which the next token may complete.
  func endsWithinCharacter(_ ids: some Sequence<Int32>, skipsSpecialTokens: Bool) -> Bool {
    parts.decoder.endsWithinCharacter(pieces(ids, skipsSpecialTokens: skipsSpecialTokens))
  }

  /// The bytes of a token of a decoder that joins bytes; nil if it joins texts.
  func bytes(ofToken token: String) -> [UInt8]? { parts.decoder.bytes(ofToken: token) }

  private func pieces(_ ids: some Sequence<Int32>, skipsSpecialTokens: Bool) -> [TokenDecoder.Piece] {
    ids.compactMap { id in
      token(id).map { TokenDecoder.Piece(id: id, text: $0, isSkipped: skipsSpecialTokens && isSpecial(id)) }
    }
  }

  /// The special tokens by the names that tokenizer_config.json gives them (`bos_token`, `eos_token`, …), as transformers
  /// hands them to chat templates.
  public var specialTokens: [(name: String, text: String)] { parts.named }

  /// The tokens that `encode` puts in front of a text.
  public var beginning: [Int32] {
    // Ids of texts are not negative.
    Array(parts.postProcessor.process([-1], nil).ids.prefix { $0 >= 0 })
  }

  /// Whether a token is searched for in texts, before they are split.
  public func isAdded(_ id: Int32) -> Bool { addedByID[id] != nil }

  /// The id of a token of the vocabulary or an added one, or nil.
  public func id(of token: String) -> Int32? { parts.id(token) }

  /// The pieces of a stretch of text between the added tokens of the original text, once normalised.
  func normalizedPieces(_ text: ArraySlice<Unicode.Scalar>) -> [AddedTokens.Piece] {
    normalized.split(parts.normalizer?.normalize(Array(text)) ?? Array(text))
  }

  /// - Parameter isStart: whether the stretch of text that the piece belongs to begins the whole text.
  func encodeNormalized(_ piece: AddedTokens.Piece, isStart: Bool, into ids: inout [Int32]) {
    switch piece {
    case .token(let id, _): ids.append(id)
    case .text(let text):
      var words = Words(Array(text))
      parts.preTokenizer?.apply(to: &words, isStart: isStart && text.startIndex == 0)
      for range in words.ranges { parts.model.encode(words.scalars[range], into: &ids) }
    }
  }
}

/// An encoded text, or pair of texts.
public struct Encoding: Sendable, Equatable {
  /// Token ids, special tokens included.
  public var ids: [Int32]
  /// For every token 0, or 1 in the second text if the model distinguishes the two.
  public var typeIDs: [Int32]

  /// An encoding. Both lists have the same length.
  public init(ids: [Int32], typeIDs: [Int32]) {
    self.ids = ids
    self.typeIDs = typeIDs
  }
}
