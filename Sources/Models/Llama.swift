import Autograd
import Checkpoints
import Kernels

/// LLaMA (Touvron et al., arXiv 2302.13971), as transformers' `LlamaModel`: RMS norm before each block, rotary
/// positions, grouped-query attention, SwiGLU.
struct Llama: Decoder {
  struct Layer: Sendable {
    let attentionNorm: NormWeights
    let query: LinearSlot, key: LinearSlot, value: LinearSlot
    let attentionOutput: LinearSlot
    let innerNorm: NormWeights
    let gate: LinearSlot, up: LinearSlot, down: LinearSlot

    var sites: [Int] { [query, key, value, attentionOutput, gate, up, down].map(\.site) }
  }

  let config: ModelConfig
  private let tokens: FrozenTensor
  private let layers: [Layer]
  private let finalNorm: NormWeights
  private let rotary: RotaryFrequencies

  /// `path` names the model in errors.
  init(weights: ModelWeights, path: String) throws {
    config = weights.config
    rotary = try RotaryFrequencies(weights.config, path: path)
    tokens = weights["embed_tokens.weight"]
    layers = (0..<weights.config.layers).map { layer in
      let path = "layers.\(layer)."
      return Layer(
        attentionNorm: weights.rmsNorm(path + "input_layernorm"),
        query: weights.linear(path + "self_attn.q_proj"), key: weights.linear(path + "self_attn.k_proj"),
        value: weights.linear(path + "self_attn.v_proj"), attentionOutput: weights.linear(path + "self_attn.o_proj"),
        innerNorm: weights.rmsNorm(path + "post_attention_layernorm"), gate: weights.linear(path + "mlp.gate_proj"),
        up: weights.linear(path + "mlp.up_proj"), down: weights.linear(path + "mlp.down_proj"))
    }
    finalNorm = weights.rmsNorm("norm")
  }

  func states(_ tokens: PackedTokens, onlyLast: Bool, _ context: ForwardContext) -> Tensor {
    let tape = context.tape, positions = context.positions(tokens)
    let angles = tape.rotaryAngles(positions: positions, frequencies: rotary.values)
    var residual = tape.embedding(tokens.layout, [(self.tokens, tokens.ids)])
    var x = tape.norm(residual, layers[0].attentionNorm)
    let last = (0..<tokens.layout.sequences).map { positions[tokens.layout.offsets[$0 + 1] - 1] }
    let lastAngles = onlyLast ? tape.rotaryAngles(positions: last, frequencies: rotary.values) : nil
    for (index, layer) in layers.enumerated() {
      let queryAngles = index == layers.count - 1 ? lastAngles : nil
      let result = context.block([residual, x], sites: layer.sites) {
        forward(layer: index, $0[0], $0[1], angles, lastAngles: queryAngles, $1)
      }
      (residual, x) = (result[0], result[1])
    }
    return x
  }

  /// The residual stream after a layer, and its norm for what follows. With `lastAngles`, those of the last tokens, only
  /// these tokens' are made.
  private func forward(
    layer index: Int, _ residual: Tensor, _ x: Tensor, _ angles: RotaryAngles, lastAngles: RotaryAngles?,
    _ context: ForwardContext
  ) -> [Tensor] {
    let tape = context.tape, layer = layers[index]
    let maps = [layer.query, layer.key, layer.value].map { context.adapted($0) }
    // The last layer asks for queries of the last tokens alone; keys and values still come from every token.
    let qkv =
      lastAngles == nil
      ? context.linear(x, maps) : [context.linear(tape.selectLast(x), maps[0])] + context.linear(x, [maps[1], maps[2]])
    let attended = context.causalAttention(
      layer: index, q: tape.rotary(qkv[0], lastAngles ?? angles), k: tape.rotary(qkv[1], angles), v: qkv[2],
      config: config)
    let middle = tape.addNorm(
      context.linear(attended, context.adapted(layer.attentionOutput)), bias: nil, dropout: 0, site: 0,
      to: lastAngles == nil ? residual : tape.selectLast(residual), layer.innerNorm)
    let wide = context.linear(middle.normed, [context.adapted(layer.gate), context.adapted(layer.up)])
    let inner = tape.gatedActivation(wide[0], wide[1], config.activation.kind)
    let end = tape.addNorm(
      context.linear(inner, context.adapted(layer.down)), bias: nil, dropout: 0, site: 0, to: middle.sum,
      index + 1 < layers.count ? layers[index + 1].attentionNorm : finalNorm)
    return [end.sum, end.normed]
  }
}

extension ModelWeights {
  func rmsNorm(_ path: String) -> NormWeights {
    .rms(RMSNormWeights(gamma: self[path + ".weight"].inFloat32(), epsilon: config.normEpsilon))
  }
}
