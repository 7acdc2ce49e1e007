import Autograd
import Kernels

/// What goes from layer to layer.
struct DecoderStream {
  /// The residual stream [N, C], float32.
  let residual: Tensor
  /// Its norm, if the next block has one before it.
  let normed: Tensor?

  /// What the next block reads.
  var input: Tensor { normed ?? residual }
  var tensors: [Tensor] { [residual, normed].compactMap(\.self) }

  init(residual: Tensor, normed: Tensor?) { (self.residual, self.normed) = (residual, normed) }
  init(_ tensors: [Tensor]) { self.init(residual: tensors[0], normed: tensors.count > 1 ? tensors[1] : nil) }
}

/// One layer of a decoder.
struct DecoderLayer: Sendable {
  private let index: Int
  private let config: ModelConfig
  /// Before attention; the layer below computes it, with its residual sum.
  let attentionNorm: NormWeights?
  private let projections: FusedSlot
  private let queryKeyNorms: (query: NormWeights, key: NormWeights)?
  private let reach: AttentionReach
  private let attentionOutput: LinearSlot
  private let attentionOutputNorm: NormWeights?
  private let feedForwardNorm: NormWeights?
  /// Gate and up, or up alone.
  private let wide: FusedSlot
  private let down: LinearSlot
  private let feedForwardOutputNorm: NormWeights?

  private var design: DecoderDesign { config.design }

  /// The maps in it.
  var sites: [Int] { projections.sites + wide.sites + [attentionOutput.site, down.site] }

  init(_ index: Int, weights: ModelWeights) {
    let design = weights.config.design, path = "\(design.stack).\(index)."
    func linear(_ module: String) -> LinearSlot { weights.linear(path + module) }
    func norm(_ module: String) -> NormWeights { weights.norm(path + module, design.norm) }
    (self.index, config) = (index, weights.config)
    attentionNorm = design.hasFirstAttentionNorm || index > 0 ? design.attentionNorm.map(norm) : nil
    attentionOutputNorm = design.attentionOutputNorm.map(norm)
    feedForwardNorm = design.feedForwardNorm.map(norm)
    feedForwardOutputNorm = design.feedForwardOutputNorm.map(norm)
    attentionOutput = linear(design.attentionOutput)
    projections =
      switch design.attention {
      case .separate(let query, let key, let value): FusedSlot(parts: [query, key, value].map(linear), whole: nil)
      case .fused(let module, _): weights.fused(path + module)
      }
    queryKeyNorms =
      switch design.queryKeyNorms {
      case .perHead(let query, let key), .whole(let query, let key): (norm(query), norm(key))
      case nil: nil
      }
    let downPath: String
    switch design.feedForward {
    case .gated(let gate, let up, let down):
      (wide, downPath) = (FusedSlot(parts: [linear(gate), linear(up)], whole: nil), down)
    case .fusedGated(let module, _, let down): (wide, downPath) = (weights.fused(path + module), down)
    case .plain(let up, let down): (wide, downPath) = (FusedSlot(parts: [linear(up)], whole: nil), down)
    }
    down = linear(downPath)
    reach = design.reach(index)
  }

  /// The residual stream after the layer and its `next` norm; with `onlyOne` of one token of each sequence.
  func forward(
    _ stream: DecoderStream, _ turns: (queries: RotaryAngles, keys: RotaryAngles)?, onlyOne: Bool,
    next: NormWeights?, _ context: ForwardContext
  ) -> DecoderStream {
    let tape = context.tape, x = stream.input
    let maps = context.adapted(projections)
    // Keys and values come from every token, whichever tokens are asked for.
    let projected =
      onlyOne
      ? [context.linear(design.one(x, tape), maps[0])] + context.linear(x, [maps[1], maps[2]])
      : context.linear(x, maps)
    var (q, k) = (projected[0], projected[1])
    if let (query, key) = queryKeyNorms { (q, k) = (tape.headNorm(q, query), tape.headNorm(k, key)) }
    if let turns {
      q = tape.rotary(q, turns.queries, headSize: config.headSize)
      k = tape.rotary(k, turns.keys, headSize: config.headSize)
    }
    let attended = context.attention(layer: index, q: q, k: k, v: projected[2], config: config, reach: reach)
    let middle = add(
      attended, attentionOutput, attentionOutputNorm, dropout: design.attentionOutputDropout ?? config.hiddenDropout,
      site: DropoutPlace.attentionOutput(layer: index),
      to: onlyOne ? design.one(stream.residual, tape) : stream.residual, feedForwardNorm, context)
    let wide = tape.dropout(
      inner(middle.input, context), probability: design.innerDropout, site: DropoutPlace.inner(layer: index))
    return add(
      wide, down, feedForwardOutputNorm, dropout: config.hiddenDropout, site: DropoutPlace.output(layer: index),
      to: middle.residual, next, context)
  }

  /// The wide activations of the feed-forward block.
  private func inner(_ x: Tensor, _ context: ForwardContext) -> Tensor {
    guard wide.parts.count > 1 else {
      let up = wide.parts[0]
      return context.tape.activation(
        context.linear(x, context.adapted(up, addsBias: false)), bias: up.linear.bias, config.activation)
    }
    let maps = context.linear(x, context.adapted(wide))
    return context.tape.gatedActivation(maps[0], maps[1], config.activation)
  }

  /// residual + scale · dropout(norm(map(x))), and its `next` norm.
  private func add(
    _ x: Tensor, _ map: LinearSlot, _ norm: NormWeights?, dropout: Float, site: Int, to residual: Tensor,
    _ next: NormWeights?, _ context: ForwardContext
  ) -> DecoderStream {
    let tape = context.tape, joins = design.biasJoinsResidual && norm == nil
    var branch = context.linear(x, context.adapted(map, addsBias: !joins))
    if let norm { branch = tape.headNorm(branch, norm) }
    let bias = joins ? map.linear.bias : nil, scale = design.residualScale
    guard let next else {
      let sum = tape.add(branch, bias: bias, dropout: dropout, site: site, scale: scale, to: residual)
      return DecoderStream(residual: sum, normed: nil)
    }
    let (sum, normed) = tape.addNorm(
      branch, bias: bias, dropout: dropout, site: site, scale: scale, to: residual, next)
    return DecoderStream(residual: sum, normed: normed)
  }
}

extension DecoderDesign {
  /// Which keys the queries of a layer see.
  fileprivate func reach(_ layer: Int) -> AttentionReach {
    let window = windows.isEmpty ? nil : windows[layer]
    if isCausal { return window.map { .causal(window: $0) } ?? .causal }
    return window.map { .within($0) } ?? .all
  }

  /// The row of each sequence that a classifier reads: the last token has seen all others if causal, else it is the first.
  fileprivate func one(_ x: Tensor, _ tape: Tape) -> Tensor { isCausal ? tape.selectLast(x) : tape.selectFirst(x) }
}
