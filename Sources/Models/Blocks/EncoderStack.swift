import Autograd
import Kernels

/// The transformer encoder of an `EncoderDesign` (Devlin et al., arXiv 1810.04805): post-norm layers of self-attention and a
/// two-layer perceptron.
struct EncoderStack: Sendable {
  let config: ModelConfig
  private let layers: [EncoderLayer]
  private let relative: RelativeTables?
  private let convolution: EncoderConvolution?

  init(weights: ModelWeights) {
    let config = weights.config, design = config.encoder
    self.config = config
    relative = design.relative.map { RelativeTables($0, weights: weights) }
    convolution = design.convolution.map { EncoderConvolution($0, weights: weights) }
    let paths = design.paths(config)
    // Layers that share weights know how often these were used before.
    var uses: [String: Int] = [:]
    layers = paths.enumerated().map { index, path in
      defer { uses[path, default: 0] += 1 }
      return EncoderLayer(index, path, use: uses[path, default: 0], weights: weights)
    }
  }

  /// The last layer's states: embeddings [N, C] → [N, C], or with `onlyFirst` [B, C] of each sequence's first token.
  ///
  /// A classifier of sequences reads nothing else, so the last layer asks for queries of those tokens alone: their keys
  /// and values still come from every token, and the result is the same.
  func states(_ embeddings: Tensor, onlyFirst: Bool, _ context: ForwardContext) -> Tensor {
    var x = embeddings
    for (index, layer) in layers.enumerated() {
      let joins = convolution != nil && index == 0, isLast = onlyFirst && index == layers.count - 1 && !joins
      // The tables are made again in every layer: an adapter's dropout and gradients belong to it.
      x = context.block([x], sites: layer.sites) { [layer.forward($0[0], relative, onlyFirst: isLast, $1)] }[0]
      if joins, let convolution { x = convolution.forward(embeddings, addedTo: x, context) }
    }
    let hasAll = layers.isEmpty || convolution != nil && layers.count == 1
    return onlyFirst && hasAll ? context.tape.selectFirst(x) : x
  }
}

/// One layer of an encoder.
struct EncoderLayer: Sendable {
  private let index: Int
  /// How often the weights were used in layers below.
  private let use: Int
  private let config: ModelConfig
  private let query: LinearSlot, key: LinearSlot, value: LinearSlot
  /// DeBERTa's own maps of relative positions.
  private let positionKey: LinearSlot?, positionQuery: LinearSlot?
  private let attentionOutput: LinearSlot
  private let attentionNorm: NormWeights
  private let intermediate: LinearSlot
  private let output: LinearSlot
  private let outputNorm: NormWeights

  /// The maps in it.
  var sites: [Int] {
    [query, key, value, positionKey, positionQuery, attentionOutput, intermediate, output].compactMap { $0?.site }
  }

  init(_ index: Int, _ path: String, use: Int, weights: ModelWeights) {
    (self.index, self.use, config) = (index, use, weights.config)
    let names = config.encoder.layer
    func linear(_ module: String) -> LinearSlot { weights.linear(path + module) }
    (query, key, value) = (linear(names.query), linear(names.key), linear(names.value))
    attentionOutput = linear(names.attentionOutput)
    attentionNorm = weights.layerNorm(path + names.attentionNorm)
    (intermediate, output) = (linear(names.intermediate), linear(names.output))
    outputNorm = weights.layerNorm(path + names.outputNorm)
    guard case .disentangled(let design) = config.encoder.relative else {
      (positionKey, positionQuery) = (nil, nil)
      return
    }
    positionKey = design.hasKeys ? design.keyMap.map(linear) ?? key : nil
    positionQuery = design.hasQueries ? design.queryMap.map(linear) ?? query : nil
  }

  func forward(_ x: Tensor, _ tables: RelativeTables?, onlyFirst: Bool, _ context: ForwardContext) -> Tensor {
    let tape = context.tape, design = config.encoder
    func adapted(_ slot: LinearSlot, addsBias: Bool = true) -> AdaptedLinear {
      context.adapted(slot, addsBias: addsBias, use: use)
    }
    let residual: Tensor
    let q: Tensor, k: Tensor, v: Tensor
    if onlyFirst {
      residual = tape.selectFirst(x)
      q = tape.linear(residual, adapted(query))
      let keyValue = tape.linear(x, [adapted(key), adapted(value)])
      (k, v) = (keyValue[0], keyValue[1])
    } else {
      residual = x
      let projections = tape.linear(x, [adapted(query), adapted(key), adapted(value)])
      (q, k, v) = (projections[0], projections[1], projections[2])
    }
    let relative = tables?.positions(
      keys: positionKey.map { adapted($0) }, queries: positionQuery.map { adapted($0) },
      longest: x.layout.longest, layer: index, context)
    let attended = tape.attention(
      q: q, k: k, v: v, heads: config.heads, scale: tables?.scale, relative: relative,
      dropout: config.attentionDropout, site: DropoutPlace.attention(layer: index))
    let middle = tape.residualLayerNorm(
      tape.linear(attended, adapted(attentionOutput, addsBias: false)), bias: attentionOutput.linear.bias,
      dropout: design.dropsAttentionOutput ? config.hiddenDropout : 0,
      site: DropoutPlace.attentionOutput(layer: index), residual: residual, attentionNorm)
    let wide = tape.activation(
      tape.linear(middle, adapted(intermediate, addsBias: false)), bias: intermediate.linear.bias, config.activation)
    return tape.residualLayerNorm(
      tape.linear(wide, adapted(output, addsBias: false)), bias: output.linear.bias,
      dropout: design.dropsOutput ? config.hiddenDropout : 0, site: DropoutPlace.output(layer: index),
      residual: middle, outputNorm)
  }
}
