/// Turns texts into token ids and back, with the same result as the PyPI library `tokenizers`.
///
///     let tokenizer = try Tokenizer(modelDirectory: "models/all-MiniLM-L6-v2", modelType: "bert")
///     let encoding = tokenizer.encode("Who is she?", pair: "A doctor.", maxLength: 128)
///     print(encoding.ids, tokenizer.tokens(of: encoding), tokenizer.decode(encoding.ids))
///
/// Texts are taken verbatim, scalar by scalar. Any number of threads may use a tokenizer at once. Truncation and padding
/// in tokenizer.json are ignored: they are up to the caller.
public struct Tokenizer: Sendable {
  /// The id of padding, if there is one.
  public let padID: Int32?
  /// The id that begins a text, if there is one.
  public let beginID: Int32?
  /// The id that ends a text, if there is one.
  public let endID: Int32?
  /// The highest id + 1, added tokens included.
  public let vocabularySize: Int

  private let added: AddedTokens
  private let normalizer: Normalizer?
  private let preTokenizer: PreTokenizer?
  private let model: Model
  private let postProcessor: PostProcessor
  private let decoder: TokenDecoder
  private let addedByID: [Int32: String]
  private let specialIDs: Set<Int32>

  init(_ parts: TokenizerParts) {
    padID = parts.padToken.flatMap(parts.id)
    beginID = parts.beginToken.flatMap(parts.id)
    endID = parts.endToken.flatMap(parts.id)
    decoder = parts.decoder
    addedByID = Dictionary(parts.added.map { ($0.id, parts.spelling($0)) }, uniquingKeysWith: { first, _ in first })
    specialIDs = parts.specialIDs.union(parts.added.filter(\.isSpecial).map(\.id))
    vocabularySize = Int(parts.added.reduce(parts.model.vocabulary.highestID) { max($0, $1.id) }) + 1
    added = AddedTokens(parts.added, normalizer: parts.normalizer)
    normalizer = parts.normalizer
    preTokenizer = parts.preTokenizer
    model = parts.model
    postProcessor = parts.postProcessor
  }

  /// Loads the tokenizer of a model directory from the first of tokenizer.json, tokenizer.model (LLaMA), vocab.txt
  /// (BERT) and vocab.json with merges.txt or vocab.bpe (RoBERTa, GPT-2). `modelType` distinguishes the last two;
  /// without it, `tokenizer_config.json` or `config.json` must.
  public init(modelDirectory: String, modelType: String? = nil) throws {
    self.init(try TokenizerParts(directory: modelDirectory, modelType: modelType))
  }

  /// The ids of `text`, or of `text` and `pair`, with special tokens. Beyond `maxLength`, tokens are dropped from the end
  /// of the longer text first. Special tokens are never dropped.
  public func encode(_ text: String, pair: String? = nil, maxLength: Int? = nil) -> Encoding {
    let first = ids(of: text), second = pair.map(ids)
    guard let maxLength else { return postProcessor.process(first[...], second?[...]) }
    let room = max(0, maxLength - specialTokenCount(isPair: pair != nil))
    let lengths = truncatedLengths(first.count, second?.count ?? 0, room: room)
    return postProcessor.process(first.prefix(lengths.first), second?.prefix(lengths.second))
  }

  /// The ids of `text`, without special tokens and without a limit.
  public func ids(of text: String) -> [Int32] {
    var ids: [Int32] = []
    for piece in added.splitVerbatim(Array(text.unicodeScalars)) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let text): encodeVerbatim(text, into: &ids)
      }
    }
    return ids
  }

  /// The number of special tokens that `encode` adds to one text, or to a pair.
  public func specialTokenCount(isPair: Bool) -> Int { postProcessor.addedCount(isPair: isPair) }

  /// The tokens of an encoding, spelled as in the vocabulary.
  public func tokens(of encoding: Encoding) -> [String] { encoding.ids.map { token($0) ?? "" } }

  /// The token with an id, or nil.
  public func token(_ id: Int32) -> String? {
    addedByID[id] ?? model.vocabulary.token(id)
  }

  /// Whether a token has no text, such as begin, end and padding.
  public func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

  /// The text of `ids`. Unknown ids are skipped; bytes that are not UTF-8 become U+FFFD.
  public func decode(_ ids: some Sequence<Int32>, skipsSpecialTokens: Bool = true) -> String {
    decoder.text(of: pieces(ids, skipsSpecialTokens: skipsSpecialTokens))
  }

  /// Whether the text of `ids` ends in the middle of a character, which the next token may complete.
  func endsWithinCharacter(_ ids: some Sequence<Int32>, skipsSpecialTokens: Bool) -> Bool {
    decoder.endsWithinCharacter(pieces(ids, skipsSpecialTokens: skipsSpecialTokens))
  }

  private func pieces(_ ids: some Sequence<Int32>, skipsSpecialTokens: Bool) -> [TokenDecoder.Piece] {
    ids.compactMap { id in
      token(id).map { TokenDecoder.Piece(id: id, text: $0, isSkipped: skipsSpecialTokens && isSpecial(id)) }
    }
  }

  /// The id of a token of the vocabulary or an added one, or nil.
  public func id(of token: String) -> Int32? {
    added.tokens.first { $0.content.unicodeScalars.elementsEqual(token.unicodeScalars) }?.id
      ?? model.vocabulary.id(token)
  }

  /// Encodes text between the added tokens of the original text.
  private func encodeVerbatim(_ text: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    let isStart = text.startIndex == 0
    let normalized = normalizer?.normalize(Array(text), isStart: isStart) ?? Array(text)
    for piece in added.splitNormalized(normalized) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let text):
        var words = Words(Array(text))
        preTokenizer?.apply(to: &words, isStart: isStart && text.startIndex == 0)
        for range in words.ranges { model.encode(words.scalars[range], into: &ids) }
      }
    }
  }
}
