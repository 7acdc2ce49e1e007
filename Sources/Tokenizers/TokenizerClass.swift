import Diagnostics
import StrictJSON

/// How a tokenizer class of transformers builds a tokenizer.
///
/// Most classes take only the vocabulary from the files, even from tokenizer.json, and bring the other parts
/// themselves, shaped by the options of tokenizer_config.json. The exception is `TokenizersBackend` (also called
/// `PreTrainedTokenizerFast`), which takes tokenizer.json as it is; it stands here as nil.
struct TokenizerClass: Sendable {
  /// The parts of tokenizer.json that a class writes itself, as JSON.
  struct Pipeline {
    var normalizer: String?
    var preTokenizer: String
    var decoder: String
  }

  /// What a class can look at to write its parts.
  struct Options {
    let config: TokenizerConfig
    /// SentencePiece's character map of the vocabulary file, in Base64.
    var charactersMap: String?

    func flag(_ key: String, or standard: Bool) throws -> Bool { try config.flag(key, or: standard) }
  }

  enum ModelKind: Sendable {
    case wordPiece
    /// Byte pairs. Scalars outside the vocabulary are dropped, become bytes or the unknown token.
    case bytePairs(fallsBackToBytes: Bool = false, hasUnknown: Bool = false)
    case unigram(unknown: UnknownPiece)
  }

  enum UnknownPiece: Sendable {
    case at(Int32)
    /// The piece that the unknown token names, if its score is 0; otherwise the one at a position: that which the
    /// SentencePiece file gives, or this.
    case named(orAt: Int32)
    /// The piece that the unknown token names, otherwise the first.
    case namedOrFirst
  }

  /// Which special tokens stand around texts.
  enum Frame: Sendable {
    /// Those of tokenizer.json, or the begin and end token where the options ask for them.
    case ofFile
    /// As BERT: `[CLS] A [SEP] B [SEP]`.
    case bert(begin: String = "cls_token", end: String = "sep_token")
    /// As RoBERTa: `<s> A </s></s> B </s>`.
    case roberta(begin: String = "cls_token", end: String = "sep_token")
    /// As BERT, unless tokenizer.json or the options say otherwise.
    case bertUnlessGiven
    /// The begin and end token where the options ask for them, whatever tokenizer.json says.
    case ofOptions
  }

  /// Its names without `Fast`.
  let names: [String]
  let model: ModelKind
  /// The vocabulary file to look for beside tokenizer.json.
  let vocabularyFile: String
  /// The class's own special tokens.
  let tokens: KeyValuePairs<String, String>
  var frame = Frame.ofFile
  /// Special tokens that are added if no others are named.
  var extra: [String] = []
  /// A token of which only the text is given.
  var token: @Sendable (_ role: String, _ text: String) -> AddedToken = { AddedToken(content: $1, id: -1) }
  /// Whether all special tokens are added again, searched for plainly.
  var addsSpecialTokensAgain = false
  /// The pieces of a SentencePiece file in the order of their ids.
  var pieces: @Sendable (_ pieces: [UnigramPiece], _ token: (String) -> String) -> [UnigramPiece] = { pieces, _ in
    pieces
  }
  let pipeline: @Sendable (Options) throws -> Pipeline
}

/// A piece of a unigram vocabulary.
struct UnigramPiece: Sendable {
  var text: String
  var score: Double
}

extension TokenizerClass {
  /// All classes that build their parts themselves.
  static let all: [TokenizerClass] = [
    bert, mpnet, roberta, deberta, gpt2, qwen2, cohere, gptNeoX, llama, gemma, xlmRoberta, camembert, albert, debertaV2,
  ]

  private static let asInFile = ["TokenizersBackend", "PreTrainedTokenizer", "BloomTokenizer"]

  /// The class that `AutoTokenizer` takes; nil: tokenizer.json as it is.
  ///
  /// - Parameters:
  ///   - registered: the class that transformers registers for the model family; nil if it has none.
  ///   - isForced: whether it counts even if the files name another one.
  static func chosen(
    _ files: TokenizerFiles, _ config: TokenizerConfig, registered: String?, isForced: Bool, tokenizerJSON: JSONField?
  ) throws -> TokenizerClass? {
    let model = try? files.jsonIfThere("config.json")
    let given = try config.className() ?? (try? model?.optional("tokenizer_class")?.string())
    guard let name = (given ?? registered).map(withoutFast) else { return nil }
    if name == "LlamaTokenizer", !isForced, try tokenizerJSON.map(hasByteLevel) ?? false { return nil }
    if given != nil, let registered, registered != name {
      if asInFile.contains(registered) { return nil }
      if isForced { return try named(registered, files) }
    }
    return try named(name, files)
  }

  private static func withoutFast(_ name: String) -> String { name.hasSuffix("Fast") ? String(name.dropLast(4)) : name }

  private static func named(_ name: String, _ files: TokenizerFiles) throws -> TokenizerClass? {
    if let found = all.first(where: { $0.names.contains(name) }) { return found }
    if asInFile.contains(name) { return nil }
    guard files.exists("tokenizer.json"), !unsupported.contains(name) else {
      let file = files.exists("tokenizer_config.json") ? "tokenizer_config.json" : "config.json"
      throw TokenizerError.unsupported(
        FilePlace(file: files.path(file), line: 1, field: "tokenizer_class"), value: name,
        supported: all.flatMap(\.names) + ["PreTrainedTokenizerFast"])
    }
    // transformers takes a class that it does not know for the general one.
    return nil
  }

  /// Whether a pre-tokenizer or a decoder is byte-level.
  private static func hasByteLevel(_ root: JSONField) throws -> Bool {
    func has(_ node: JSONNode?) -> Bool {
      guard let node else { return false }
      if node["type"]?.string == "ByteLevel" { return true }
      let parts = node["pretokenizers"]?.array ?? node["decoders"]?.array ?? node["processors"]?.array
      return parts?.contains(where: has) ?? false
    }
    return has(root.node["pre_tokenizer"]) || has(root.node["decoder"]) || has(root.node["post_processor"])
  }

  /// Classes of transformers that build their parts themselves in ways that are not here.
  private static let unsupported: Set<String> = [
    "BarthezTokenizer", "BartphoTokenizer", "BertGenerationTokenizer", "BertJapaneseTokenizer", "BertweetTokenizer",
    "BigBirdTokenizer", "BioGptTokenizer", "BlenderbotSmallTokenizer", "BlenderbotTokenizer", "ByT5Tokenizer",
    "CLIPTokenizer", "CTRLTokenizer", "CanineTokenizer", "ClvpTokenizer", "CodeGenTokenizer", "CodeLlamaTokenizer",
    "ConvBertTokenizer", "CpmAntTokenizer", "CpmTokenizer", "DPRContextEncoderTokenizer",
    "DPRQuestionEncoderTokenizer", "DPRReaderTokenizer", "DiaTokenizer", "EsmTokenizer", "EsmcTokenizer",
    "FNetTokenizer", "FSMTTokenizer", "FastSpeech2ConformerTokenizer", "FlaubertTokenizer", "FunnelTokenizer",
    "GPTNeoXJapaneseTokenizer", "GPTSw3Tokenizer", "HerbertTokenizer", "LasrTokenizer", "LayoutLMv2Tokenizer",
    "LayoutLMv3Tokenizer", "LayoutXLMTokenizer", "LukeTokenizer", "M2M100Tokenizer", "MBart50Tokenizer",
    "MBartTokenizer", "MLukeTokenizer", "MarianTokenizer", "MarkupLMTokenizer", "MgpstrTokenizer", "MyT5Tokenizer",
    "NllbTokenizer", "NougatTokenizer", "OpenAIGPTTokenizer", "PLBartTokenizer", "ParakeetTokenizer",
    "PegasusTokenizer", "PerceiverTokenizer", "PhobertTokenizer", "Pop2PianoTokenizer", "ProphetNetTokenizer",
    "Qwen3_5Tokenizer", "RagTokenizer", "ReformerTokenizer", "RemBertTokenizer", "RoCBertTokenizer",
    "RoFormerTokenizer", "SeamlessM4TTokenizer", "Siglip2Tokenizer", "SiglipTokenizer", "Speech2TextTokenizer",
    "SpeechT5Tokenizer", "SplinterTokenizer", "T5Tokenizer", "TapasTokenizer", "Tipsv2Tokenizer", "UdopTokenizer",
    "VideoPrismTokenizer", "VitsTokenizer", "Wav2Vec2CTCTokenizer", "Wav2Vec2PhonemeCTCTokenizer", "WhisperTokenizer",
    "XGLMTokenizer", "XLMTokenizer", "XLNetTokenizer",
  ]
}
