/// Turns texts into token ids, exactly as the tokenizer's files say and the PyPI `tokenizers` library does.
///
///     let tokenizer = try Tokenizer(modelDirectory: "models/all-MiniLM-L6-v2", modelType: "bert")
///     let encoding = tokenizer.encode("Who is she?", pair: "A doctor.", maxLength: 128)
///     print(encoding.ids, tokenizer.tokens(of: encoding))
///
/// Texts are taken verbatim, scalar by scalar. A tokenizer may be used by any number of threads at once. Truncation and
/// padding that tokenizer.json asks for are left to the caller.
public struct Tokenizer: Sendable {
  /// The id that fills up short sequences, where the tokenizer has one.
  public let padID: Int32?
  /// The highest id + 1, added tokens included.
  public let vocabularySize: Int

  private let added: AddedTokens
  private let normalizer: Normalizer?
  private let preTokenizer: PreTokenizer?
  private let model: Model
  private let postProcessor: PostProcessor

  init(_ parts: TokenizerParts) {
    let padID = parts.padToken.flatMap(parts.id)
    self.padID = padID
    vocabularySize = Int(parts.added.reduce(parts.model.vocabulary.highestID) { max($0, $1.id) }) + 1
    added = AddedTokens(parts.added, normalizer: parts.normalizer)
    normalizer = parts.normalizer
    preTokenizer = parts.preTokenizer
    model = parts.model
    postProcessor = parts.postProcessor
  }

  /// Loads the tokenizer of a model directory: tokenizer.json, else vocab.txt (BERT), else vocab.json with merges.txt
  /// or vocab.bpe (RoBERTa, GPT-2). `modelType` tells the latter two apart; without it `tokenizer_config.json` or
  /// `config.json` must.
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
    added.tokens.first { $0.id == id }?.content ?? model.vocabulary.token(id)
  }

  /// The id of a token, added ones included, or nil.
  public func id(of token: String) -> Int32? {
    added.tokens.first { $0.content.unicodeScalars.elementsEqual(token.unicodeScalars) }?.id
      ?? model.vocabulary.id(token)
  }

  /// Encodes text that holds no verbatim added token.
  private func encodeVerbatim(_ text: ArraySlice<Unicode.Scalar>, into ids: inout [Int32]) {
    let normalized = normalizer?.normalize(Array(text)) ?? Array(text)
    for piece in added.splitNormalized(normalized) {
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let text):
        for word in preTokenizer?.words(in: text) ?? [text] { model.encode(word, into: &ids) }
      }
    }
  }
}
