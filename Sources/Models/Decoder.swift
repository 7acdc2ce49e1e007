import Adapters
import Autograd
import Checkpoints
import Diagnostics
import Kernels

/// A transformer whose tokens see only those before them.
public protocol Decoder: Sendable {
  /// The sizes of the model.
  var config: ModelConfig { get }
  /// The last layer's normalised states: [N, C] of every token, or with `onlyLast` [B, C] of each sequence's last.
  ///
  /// With a cache in the context, `tokens` continue the sequences that it holds. Ids and lengths have been checked.
  func states(_ tokens: PackedTokens, onlyLast: Bool, _ context: ForwardContext) -> Tensor
}

/// A decoder with the head that gives the next token's logits.
public struct LanguageModel: Sendable {
  /// The transformer.
  public let decoder: any Decoder
  /// The head's weight [V, C]; the token embedding where they are tied.
  public let head: FrozenTensor
  private let directory: CheckpointDirectory

  /// Maps the weights of the model directory `path` and checks every one of them.
  ///
  /// In bfloat16 the matrices that products read are rounded once, here, unless they are stored so.
  public init(path: String, config: ModelConfig, precision: Precision = .float32) throws {
    let directory = try CheckpointDirectory(path: path)
    let (decoder, head) = try Self.load(directory, config, precision, withHead: true)
    self.decoder = decoder
    self.directory = directory
    guard let head else { preconditionFailure("a language model is loaded with its head") }
    self.head = precision == .bfloat16 ? head.inBFloat16() : head
  }

  /// Lets the memory of the weights' pages go; they come from the files again when touched.
  public func forgetPages() { directory.forgetPages() }

  /// The decoder in `directory`, and its head where that is asked for.
  static func load(
    _ directory: CheckpointDirectory, _ config: ModelConfig, _ precision: Precision, withHead: Bool
  ) throws -> (decoder: any Decoder, head: FrozenTensor?) {
    guard config.family.isDecoder else {
      throw ModelError.notADecoder(config.family.rawValue, path: directory.path)
    }
    let ownHead = withHead && !config.tieWordEmbeddings
    var wanted = DecoderShapes.all(config)
    if ownHead { wanted.append((DecoderShapes.head, [config.vocabularySize, config.hiddenSize])) }
    let tensors = try directory.tensors(wanted)
    try directory.refuseNonFinite(tensors)
    let weights = ModelWeights(
      config: config, precision: precision, tensors: tensors, sites: ModelGeometry(config).siteNumbers)
    let decoder: any Decoder =
      config.family == .gpt2 ? GPT2(weights: weights) : try Llama(weights: weights, path: directory.path)
    return (decoder, weights[ownHead ? DecoderShapes.head : DecoderShapes.tokens(config)])
  }
}

/// A decoder as a classifier, as transformers' `GPT2ForSequenceClassification` and `LlamaForSequenceClassification`:
/// a linear head without bias on the last token that is not padding.
struct DecoderClassifier: SequenceClassifier {
  let decoder: any Decoder
  var config: ModelConfig { decoder.config }

  func logits(_ tokens: PackedTokens, _ context: ForwardContext) -> Tensor {
    let states = decoder.states(tokens.withoutFinal(config.padTokenID), onlyLast: true, context)
    return context.tape.trainableLinear(states, weight: context.head[0], bias: nil)
  }
}

extension PackedTokens {
  /// The same sequences without the paddings that end them: no earlier token sees those. At least one token stays.
  fileprivate func withoutFinal(_ padding: Int?) -> PackedTokens {
    guard let padding = padding.map(Int32.init) else { return self }
    let sequences = (0..<layout.sequences).map { number in
      let ids = ids[layout.range(number)]
      let last = ids.lastIndex { $0 != padding } ?? ids.startIndex
      return (ids: Array(ids[...last]), typeIDs: [Int32]())
    }
    return PackedTokens(sequences, examples: layout.examples)
  }
}

extension ModelFamily {
  /// Whether it is a decoder: trained to predict the next token.
  public var isDecoder: Bool { self == .gpt2 || self == .llama }
}

extension ModelGeometry {
  /// The number of every map, by its path.
  var siteNumbers: [String: Int] {
    Dictionary(uniqueKeysWithValues: sites.enumerated().map { ($1.path, $0) })
  }
}

extension ForwardContext {
  /// The places of `tokens` in their sequences, after those that the cache holds.
  func positions(_ tokens: PackedTokens) -> [Int32] {
    guard let cache else { return tokens.layout.positions }
    return (0..<tokens.layout.sequences).flatMap { sequence in
      let start = Int32(cache.length(sequence))
      return (0..<Int32(tokens.layout.range(sequence).count)).map { start + $0 }
    }
  }

  /// Causal attention of layer `layer` inside each sequence, over the cached tokens too where there is a cache.
  func causalAttention(
    layer: Int, q: Tensor, k: Tensor, v: Tensor, config: ModelConfig
  ) -> Tensor {
    if let cache {
      cache.append(layer: layer, k: k, v: v)
      return tape.cachedAttention(q: q, cache: cache, layer: layer, heads: config.heads)
    }
    return tape.attention(
      q: q, k: k, v: v, heads: config.heads, keyValueHeads: config.keyValueHeads, causal: true,
      dropout: config.attentionDropout, site: DropoutPlace.attention(layer: layer))
  }
}
