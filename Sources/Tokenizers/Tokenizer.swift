/// Turns texts into token ids and back, exactly as the tokenizer's files say and the PyPI `tokenizers` library does.
///
///     let tokenizer = try Tokenizer(modelDirectory: "models/all-MiniLM-L6-v2", modelType: "bert")
///     let encoding = tokenizer.encode("Who is she?", pair: "A doctor.", maxLength: 128)
///     print(encoding.ids, tokenizer.tokens(of: encoding), tokenizer.decode(encoding.ids))
///
/// Texts are taken verbatim, scalar by scalar. A tokenizer may be used by any number of threads at once. Truncation and
/// padding that tokenizer.json asks for are left to the caller.
public struct Tokenizer: Sendable {
  /// The id that fills up short sequences, where the tokenizer has one.
  public let padID: Int32?
  /// The id that begins a text, where the tokenizer has one.
  public let beginID: Int32?
  /// The id that ends a text, where the tokenizer has one.
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

  /// Loads the tokenizer of a model directory: tokenizer.json, else tokenizer.model (LLaMA), else vocab.txt (BERT), else
  /// vocab.json with merges.txt or vocab.bpe (RoBERTa, GPT-2). `modelType` tells the latter two apart; without it
  /// `tokenizer_config.json` or `config.json` must.
  public init(modelDirectory: String, modelType: String? = nil) throws {
    self.init(try TokenizerParts(directory: modelDirectory, modelType: modelType))
  }

  /// The ids of `text`, or of `text` and `pair`, with special tokens. Where they are more than `maxLength`, tokens are
  /// dropped from the end of the longer text first; special tokens stay even where they alone are more.
  public func encode(_ text: String, pair: String? = nil, maxLength: Int? = nil) -> Encoding {
    let first = ids(of: text), second = pair.map(ids)
    guard let maxLength else { return postProcessor.process(first[...], second?[...]) }
    let room = max(0, maxLength - specialTokenCount(isPair: pair != nil))
    let lengths = truncatedLengths(first.count, second?.count ?? 0, room: room)
    return postProcessor.process(first.prefix(lengths.first), second?.prefix(lengths.second))
  }

  /// The ids of `text` alone: no special tokens added, nothing cut off.
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

  /// How many special tokens `encode` adds to one text, or to a pair.
  public func specialTokenCount(isPair: Bool) -> Int { postProcessor.addedCount(isPair: isPair) }

  /// The tokens of an encoding, as the vocabulary spells them.
  public func tokens(of encoding: Encoding) -> [String] { encoding.ids.map { token($0) ?? "" } }

  /// The token with an id, or nil.
  public func token(_ id: Int32) -> String? {
    addedByID[id] ?? model.vocabulary.token(id)
  }

  /// Whether a token stands for no text: one that begins, ends or fills up.
  public func isSpecial(_ id: Int32) -> Bool { specialIDs.contains(id) }

  /// The text of `ids`. Ids of no token are passed over; bytes that are no UTF-8 become U+FFFD.
  public func decode(_ ids: some Sequence<Int32>, skipsSpecialTokens: Bool = true) -> String {
    decoder.text(of: pieces(ids, skipsSpecialTokens: skipsSpecialTokens))
  }

  /// Whether the text of `ids` ends within a character, of which the next token may bring the rest.
  func endsWithinCharacter(_ ids: some Sequence<Int32>, skipsSpecialTokens: Bool) -> Bool {
    decoder.endsWithinCharacter(pieces(ids, skipsSpecialTokens: skipsSpecialTokens))
  }

  private func pieces(_ ids: some Sequence<Int32>, skipsSpecialTokens: Bool) -> [TokenDecoder.Piece] {
    ids.compactMap { id in
      token(id).map { TokenDecoder.Piece(id: id, text: $0, isSkipped: skipsSpecialTokens && isSpecial(id)) }
    }
  }

  /// The id of a token, added ones included, or nil.
  public func id(of token: String) -> Int32? {
    added.tokens.first { $0.content.unicodeScalars.elementsEqual(token.unicodeScalars) }?.id
      ?? model.vocabulary.id(token)
  }

  /// Encodes text that holds no verbatim added token.
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
