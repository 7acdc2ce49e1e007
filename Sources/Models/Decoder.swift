import Autograd
import Checkpoints
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
  /// The head [V, C], whose weight is the token embedding if they are tied.
  public let head: FrozenLinear
  /// Notes for the user: that the checkpoint's head is not the one that its config says.
  public let notices: [String]
  private let directory: WeightFiles?

  /// Maps the weights of the model directory `path` and checks every one of them.
  ///
  /// Resident matrices that products cannot read as they are stored become copies, once, here; with `int8` they are rounded
  /// to eight bits, and where `packs` says so, laid out anew if the machine has the memory.
  public init(
    path: String, config: ModelConfig, precision: Precision = .float32, holding: WeightHolding = .resident,
    int8: Int8Factors? = nil, packs: Bool = false
  ) throws {
    let geometry = ModelGeometry(config)
    let output = try OutputLayer(geometry.checkpoint(path, holding: holding), geometry)
    guard case .decoder(let make) = config.architecture.forward else {
      throw ModelError.notADecoder(config, path: path)
    }
    var notices: [String] = []
    let weights = try ModelWeights(
      output.directory, geometry, precision, int8: int8, packs: packs, philox: Philox(seed: 0), wanted: output.wanted,
      notices: &notices)
    decoder = try make(weights)
    head = weights.head(output.name, holding, packs: packs && geometry.packsHead(precision))
    directory = output.directory
    self.notices = notices + output.notices
  }

  /// The same on shapes alone, for counting memory. The types are those of `stored`, else float32.
  public init(shapesOf geometry: ModelGeometry, precision: RunPrecision, stored: WeightFiles?) throws {
    let config = geometry.config
    guard case .decoder(let make) = config.architecture.forward else {
      throw ModelError.notADecoder(config, path: config.file)
    }
    decoder = try make(ModelWeights(shapesOf: geometry, precision, stored: stored))
    let name = config.tieWordEmbeddings ? geometry.tokenEmbedding : Architecture.languageModelHead
    let type = stored?.info(name)?.type ?? .float32
    let shape = [config.vocabularySize, config.hiddenSize]
    let held = type.held(stored?.holding ?? .resident, in: precision.activations)
    head = FrozenLinear(weight: FrozenTensor.absent([(shape, held)])[0], bias: nil)
    (directory, notices) = (nil, [])
  }

  /// The next token's logits [N, V] after states [N, C], in float32.
  public func logits(_ states: Tensor, _ tape: Tape) -> Tensor {
    let design = decoder.config.design
    return tape.languageModelLogits(states, head: head, scale: design.logitScale, softCap: design.logitCap)
  }

  /// For each row of states the loss of its target, as `Tape.languageModelLoss` has it.
  public func losses(
    _ states: Tensor, targets: [Int32], weights: [Float], smoothing: Float = 0, _ tape: Tape
  ) -> [Double] {
    let design = decoder.config.design
    return tape.languageModelLoss(
      states, head: head, targets: targets, weights: weights, smoothing: smoothing, scale: design.logitScale,
      softCap: design.logitCap)
  }

  /// Drops the weights' pages from memory; they are read again when needed.
  public func forgetPages() { directory?.forgetPages() }
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

extension ForwardContext {
  /// The places of `tokens` in their sequences, after those that the cache holds.
  func positions(_ tokens: PackedTokens) -> [Int32] {
    guard let cache else { return tokens.layout.positions }
    return (0..<tokens.layout.sequences).flatMap { sequence in
      let start = Int32(cache.length(sequence))
      return (0..<Int32(tokens.layout.range(sequence).count)).map { start + $0 }
    }
  }

  /// Attention of layer `layer` inside each sequence, and over the cached tokens if there is a cache.
  func attention(
    layer: Int, q: Tensor, k: Tensor, v: Tensor, config: ModelConfig, reach: AttentionReach
  ) -> Tensor {
    let scale = config.design.scoreScale, cap = config.design.scoreCap
    if let cache {
      // The first tokens see only each other: faster, and as in training.
      let areFirst = cache.isEmpty(layer: layer)
      cache.append(layer: layer, k: tape.widened(k), v: tape.widened(v))
      if !areFirst {
        return tape.cachedAttention(
          q: tape.widened(q), cache: cache, layer: layer, heads: config.heads, scale: scale, softCap: cap)
      }
    }
    return tape.attention(
      q: q, k: k, v: v, heads: config.heads, keyValueHeads: config.keyValueHeads, reach: reach, scale: scale,
      softCap: cap, dropout: config.attentionDropout, site: DropoutPlace.attention(layer: layer))
  }
}
