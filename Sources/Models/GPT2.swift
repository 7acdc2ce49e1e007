import Autograd
import Checkpoints
import Kernels

/// GPT-2 (Radford et al., "Language models are unsupervised multitask learners", 2019), as transformers' `GPT2Model`:
/// learned positions, layer norm before each block, query, key and value in one fused map.
struct GPT2: Decoder {
  struct Layer: Sendable {
    let attentionNorm: NormWeights
    let queryKeyValue: FusedSlot
    let attentionOutput: LinearSlot
    let innerNorm: NormWeights
    let inner: LinearSlot
    let output: LinearSlot

    var sites: [Int] {
      queryKeyValue.parts.map(\.site) + [queryKeyValue.whole, attentionOutput.site, inner.site, output.site]
    }
  }

  let config: ModelConfig
  private let tokens: FrozenTensor
  private let positions: FrozenTensor
  private let layers: [Layer]
  private let finalNorm: NormWeights

  init(weights: ModelWeights) {
    config = weights.config
    tokens = weights["wte.weight"]
    positions = weights["wpe.weight"]
    layers = (0..<weights.config.layers).map { layer in
      let path = "h.\(layer)."
      return Layer(
        attentionNorm: .layer(weights.layerNorm(path + "ln_1")),
        queryKeyValue: weights.fused(path + "attn.c_attn", parts: ["q", "k", "v"]),
        attentionOutput: weights.conv1D(path + "attn.c_proj"),
        innerNorm: .layer(weights.layerNorm(path + "ln_2")), inner: weights.conv1D(path + "mlp.c_fc"),
        output: weights.conv1D(path + "mlp.c_proj"))
    }
    finalNorm = .layer(weights.layerNorm("ln_f"))
  }

  func states(_ tokens: PackedTokens, onlyLast: Bool, _ context: ForwardContext) -> Tensor {
    let tape = context.tape
    let sum = tape.embedding(
      tokens.layout, [(self.tokens, tokens.ids), (positions, context.positions(tokens))])
    var residual = tape.dropout(sum, probability: config.embeddingDropout, site: DropoutPlace.embeddings)
    var x = tape.norm(residual, layers[0].attentionNorm)
    for (index, layer) in layers.enumerated() {
      let asksForLast = onlyLast && index == layers.count - 1
      let result = context.block([residual, x], sites: layer.sites) {
        forward(layer: index, $0[0], $0[1], asksForLast: asksForLast, $1)
      }
      (residual, x) = (result[0], result[1])
    }
    return x
  }

  /// The residual stream after a layer, and its norm for what follows.
  private func forward(
    layer index: Int, _ residual: Tensor, _ x: Tensor, asksForLast: Bool, _ context: ForwardContext
  ) -> [Tensor] {
    let tape = context.tape, layer = layers[index]
    let maps = context.adapted(layer.queryKeyValue)
    // The last layer asks for queries of the last tokens alone; keys and values still come from every token.
    let qkv =
      asksForLast
      ? [context.linear(tape.selectLast(x), maps[0])] + context.linear(x, [maps[1], maps[2]])
      : context.linear(x, maps)
    let attended = context.causalAttention(layer: index, q: qkv[0], k: qkv[1], v: qkv[2], config: config)
    let middle = tape.addNorm(
      context.linear(attended, context.adapted(layer.attentionOutput, addsBias: false)),
      bias: layer.attentionOutput.linear.bias, dropout: config.hiddenDropout,
      site: DropoutPlace.attentionOutput(layer: index), to: asksForLast ? tape.selectLast(residual) : residual,
      layer.innerNorm)
    let wide = tape.activation(
      context.linear(middle.normed, context.adapted(layer.inner, addsBias: false)), bias: layer.inner.linear.bias,
      config.activation.kind)
    let end = tape.addNorm(
      context.linear(wide, context.adapted(layer.output, addsBias: false)), bias: layer.output.linear.bias,
      dropout: config.hiddenDropout, site: DropoutPlace.output(layer: index), to: middle.sum,
      index + 1 < layers.count ? layers[index + 1].attentionNorm : finalNorm)
    return [end.sum, end.normed]
  }
}

/// A frozen map whose output is several maps' side by side, each of which can be adapted by itself, or all as one.
struct FusedSlot: Sendable {
  let parts: [LinearSlot]
  /// The number of the whole among the model's sites.
  let whole: Int
}

extension ForwardContext {
  /// The parts with their adapters, or with their rows of the whole's.
  func adapted(_ slot: FusedSlot) -> [AdaptedLinear] {
    var first = 0
    return slot.parts.map { part in
      let rows = first..<(first + part.linear.outFeatures)
      first = rows.upperBound
      return AdaptedLinear(part.linear, adapter: adapters[part.site] ?? adapters[slot.whole]?.outputs(rows))
    }
  }
}

extension ModelWeights {
  /// A linear map whose weight is stored [in, out].
  func conv1D(_ path: String) -> LinearSlot {
    let slot = linear(path), linear = slot.linear
    return LinearSlot(
      linear: FrozenLinear(weight: linear.weight, bias: linear.bias, layout: .columns(0..<linear.weight.columns)),
      site: slot.site)
  }

  /// A map stored [in, out] whose outputs are equal parts, each with a site called `path.part`.
  func fused(_ path: String, parts: [String]) -> FusedSlot {
    let whole = linear(path), width = whole.linear.weight.columns / parts.count
    let bias = whole.linear.bias?.floats()
    let slots = parts.enumerated().map { number, part in
      let columns = (number * width)..<((number + 1) * width)
      return LinearSlot(
        linear: FrozenLinear(
          weight: whole.linear.weight, bias: bias.map { FrozenTensor(Array($0[columns]), shape: [width]) },
          layout: .columns(columns)),
        site: site("\(path).\(part)"))
    }
    return FusedSlot(parts: slots, whole: whole.site)
  }
}
