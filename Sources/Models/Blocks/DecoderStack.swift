import Autograd
import Kernels

/// The transformer decoder of a `DecoderDesign`: a norm before each block, causal attention, a feed-forward block.
struct DecoderStack: Decoder {
  private struct Layer {
    let attentionNorm: NormWeights
    /// Queries, keys and values.
    let projections: FusedSlot
    let attentionOutput: LinearSlot
    let feedForwardNorm: NormWeights
    /// Nil in a plain feed-forward block.
    let gate: LinearSlot?
    let up: LinearSlot, down: LinearSlot
    /// The number of its rotary frequencies among the stack's; nil if positions do not turn anything.
    let rotary: Int?

    var sites: [Int] { projections.sites + [attentionOutput, gate, up, down].compactMap { $0?.site } }
  }

  let config: ModelConfig
  private let design: DecoderDesign
  private let tokens: FrozenTensor
  private let positions: FrozenTensor?
  private let layers: [Layer]
  private let finalNorm: NormWeights
  /// Every layer's rotary embeddings, each once.
  private let embeddings: [RotaryEmbedding]

  init(weights: ModelWeights) {
    let config = weights.config, design = config.design
    var embeddings: [RotaryEmbedding] = []
    func rotary(_ layer: Int) -> Int? {
      guard !design.rotary.isEmpty, let wanted = design.rotary[layer] else { return nil }
      if let known = embeddings.firstIndex(of: wanted) { return known }
      embeddings.append(wanted)
      return embeddings.count - 1
    }
    layers = (0..<config.layers).map { layer in
      let path = "\(design.stack).\(layer)."
      func linear(_ module: String) -> LinearSlot { weights.linear(path + module, isTransposed: design.isTransposed) }
      let gate: LinearSlot?, up: String, down: String
      switch design.feedForward {
      case .gated(let gatePath, let upPath, let downPath): (gate, up, down) = (linear(gatePath), upPath, downPath)
      case .plain(let upPath, let downPath): (gate, up, down) = (nil, upPath, downPath)
      }
      let projections: FusedSlot =
        switch design.attention {
        case .separate(let query, let key, let value): FusedSlot(parts: [query, key, value].map(linear), whole: nil)
        case .fused(let module, let parts): weights.fused(path + module, parts: parts)
        }
      return Layer(
        attentionNorm: weights.norm(path + design.attentionNorm, design.norm), projections: projections,
        attentionOutput: linear(design.attentionOutput),
        feedForwardNorm: weights.norm(path + design.feedForwardNorm, design.norm), gate: gate, up: linear(up),
        down: linear(down), rotary: rotary(layer))
    }
    self.config = config
    self.design = design
    tokens = weights[design.tokens + ".weight"]
    positions = design.positions.map { weights[$0 + ".weight"] }
    finalNorm = weights.norm(design.finalNorm, design.norm)
    self.embeddings = embeddings
  }

  func states(_ tokens: PackedTokens, onlyLast: Bool, _ context: ForwardContext) -> Tensor {
    let tape = context.tape, places = context.positions(tokens)
    let angles = embeddings.map { self.angles($0, tokens.layout, places, onlyLast: false, tape) }
    var tables = [(table: self.tokens, ids: tokens.ids)]
    if let positions { tables.append((positions, places)) }
    let embedded = tape.embedding(tokens.layout, tables, scale: design.embeddingScale)
    var residual = tape.dropout(embedded, probability: config.embeddingDropout, site: DropoutPlace.embeddings)
    var x = tape.norm(residual, layers[0].attentionNorm)
    for (index, layer) in layers.enumerated() {
      // The last layer is asked for the last tokens alone.
      let queries = onlyLast && index == layers.count - 1
      let turns = layer.rotary.map { number in
        let turn = angles[number]
        let last = queries ? self.angles(embeddings[number], tokens.layout, places, onlyLast: true, tape) : turn
        return (queries: last, keys: turn)
      }
      let result = context.block([residual, x], sites: layer.sites) {
        forward(layer: index, $0[0], $0[1], turns, onlyLast: queries, $1)
      }
      (residual, x) = (result[0], result[1])
    }
    return x
  }

  /// The angles of every token at its place, or of each sequence's last token alone.
  private func angles(
    _ embedding: RotaryEmbedding, _ layout: PackedLayout, _ places: [Int32], onlyLast: Bool, _ tape: Tape
  ) -> RotaryAngles {
    let sequences = (0..<layout.sequences).map { sequence in
      let range = layout.range(sequence), places = places[range]
      let length = places.last.map { Int($0) + 1 } ?? 0
      return (
        positions: Array(onlyLast ? places.suffix(1) : places), embedding.frequencies(length: length).values
      )
    }
    return tape.rotaryAngles(sequences, amplitude: embedding.usual.amplitude)
  }

  /// The residual stream after a layer, and its norm for what follows; with `onlyLast` of each sequence's last token.
  private func forward(
    layer index: Int, _ residual: Tensor, _ x: Tensor, _ turns: (queries: RotaryAngles, keys: RotaryAngles)?,
    onlyLast: Bool, _ context: ForwardContext
  ) -> [Tensor] {
    let tape = context.tape, layer = layers[index]
    let maps = context.adapted(layer.projections)
    // Keys and values come from every token, whichever tokens are asked for.
    let projected =
      onlyLast
      ? [context.linear(tape.selectLast(x), maps[0])] + context.linear(x, [maps[1], maps[2]])
      : context.linear(x, maps)
    var (q, k) = (projected[0], projected[1])
    if let turns { (q, k) = (tape.rotary(q, turns.queries), tape.rotary(k, turns.keys)) }
    let attended = context.causalAttention(
      layer: index, q: q, k: k, v: projected[2], config: config, scale: design.scoreScale)
    let middle = add(
      attended, layer.attentionOutput, site: DropoutPlace.attentionOutput(layer: index),
      to: onlyLast ? tape.selectLast(residual) : residual, layer.feedForwardNorm, context)
    let end = add(
      inner(middle.normed, layer, context), layer.down, site: DropoutPlace.output(layer: index), to: middle.sum,
      index + 1 < layers.count ? layers[index + 1].attentionNorm : finalNorm, context)
    return [end.sum, end.normed]
  }

  /// The wide activations of the feed-forward block.
  private func inner(_ x: Tensor, _ layer: Layer, _ context: ForwardContext) -> Tensor {
    guard let gate = layer.gate else {
      let up = layer.up
      return context.tape.activation(
        context.linear(x, context.adapted(up, addsBias: false)), bias: up.linear.bias, config.activation)
    }
    let wide = context.linear(x, [context.adapted(gate), context.adapted(layer.up)])
    return context.tape.gatedActivation(wide[0], wide[1], config.activation)
  }

  /// residual + dropout(map(x)), and its norm.
  private func add(
    _ x: Tensor, _ map: LinearSlot, site: Int, to residual: Tensor, _ norm: NormWeights, _ context: ForwardContext
  ) -> (sum: Tensor, normed: Tensor) {
    let joins = design.biasJoinsResidual
    return context.tape.addNorm(
      context.linear(x, context.adapted(map, addsBias: !joins)), bias: joins ? map.linear.bias : nil,
      dropout: config.hiddenDropout, site: site, to: residual, norm)
  }
}
