import Autograd
import Kernels

/// The transformer of a `DecoderDesign`: in each layer attention and a feed-forward block, each with norms before it, after
/// it or both.
struct DecoderStack: Decoder, TokenEncoder {
  let config: ModelConfig
  private let tokens: FrozenTensor
  private let embeddingScale: Float
  private let positions: FrozenTensor?
  private let embeddingNorm: NormWeights?
  private let layers: [DecoderLayer]
  private let finalNorm: NormWeights
  /// Every layer's rotary embeddings, each once.
  private let embeddings: [RotaryEmbedding]
  /// For every layer the number of its rotary embedding; nil where positions turn nothing.
  private let rotary: [Int?]

  init(weights: ModelWeights) {
    let config = weights.config, design = config.design
    self.config = config
    layers = (0..<config.layers).map { DecoderLayer($0, weights: weights) }
    tokens = weights[design.tokens + ".weight"]
    embeddingScale = design.embeddingScale(tokens, weights.precision)
    positions = design.positions.map { weights[$0 + ".weight"] }
    embeddingNorm = design.embeddingNorm.map { weights.norm($0, design.norm) }
    finalNorm = weights.norm(design.finalNorm, design.norm)
    let embeddings = design.rotary.reduce(into: [RotaryEmbedding]()) { known, embedding in
      if let embedding, !known.contains(embedding) { known.append(embedding) }
    }
    rotary =
      design.rotary.isEmpty
      ? Array(repeating: nil, count: config.layers) : design.rotary.map { $0.flatMap(embeddings.firstIndex) }
    self.embeddings = embeddings
  }

  func states(_ tokens: PackedTokens, onlyLast: Bool, _ context: ForwardContext) -> Tensor {
    states(tokens, onlyOne: onlyLast, context)
  }

  func tokenStates(_ tokens: PackedTokens, _ context: ForwardContext) -> Tensor {
    states(tokens, onlyOne: false, context)
  }

  /// The last layer's normalised states of every token, or of each sequence's last one; of the first if not causal.
  func states(_ tokens: PackedTokens, onlyOne: Bool, _ context: ForwardContext) -> Tensor {
    let tape = context.tape, places = context.positions(tokens)
    let angles = embeddings.map { self.angles($0, tokens.layout, places, onlyOne: false, tape) }
    var tables = [(table: self.tokens, ids: tokens.ids)]
    if let positions { tables.append((positions, places)) }
    var embedded = tape.embedding(tokens.layout, tables, scale: embeddingScale)
    if let embeddingNorm {
      embedded = tape.residualLayerNorm(embedded, bias: nil, dropout: 0, site: 0, residual: nil, embeddingNorm)
    }
    let residual = tape.dropout(embedded, probability: config.embeddingDropout, site: DropoutPlace.embeddings)
    var stream = DecoderStream(residual: residual, normed: layers[0].attentionNorm.map { tape.norm(residual, $0) })
    for (index, layer) in layers.enumerated() {
      // The last layer is asked for one token of each sequence alone.
      let isLast = index == layers.count - 1, queries = onlyOne && isLast
      let turns = rotary[index].map { number in
        let turn = angles[number]
        let one = queries ? self.angles(embeddings[number], tokens.layout, places, onlyOne: true, tape) : turn
        return (queries: one, keys: turn)
      }
      let next = isLast ? finalNorm : layers[index + 1].attentionNorm
      stream = DecoderStream(
        context.block(stream.tensors, sites: layer.sites) { tensors, context in
          layer.forward(DecoderStream(tensors), turns, onlyOne: queries, next: next, context).tensors
        })
    }
    return stream.input
  }

  /// The angles of every token at its place, or of one token of each sequence alone.
  private func angles(
    _ embedding: RotaryEmbedding, _ layout: PackedLayout, _ places: [Int32], onlyOne: Bool, _ tape: Tape
  ) -> RotaryAngles {
    let sequences = (0..<layout.sequences).map { sequence in
      let places = places[layout.range(sequence)], length = places.last.map { Int($0) + 1 } ?? 0
      let one = config.design.isCausal ? places.suffix(1) : places.prefix(1)
      return (positions: Array(onlyOne ? one : places), embedding.frequencies(length: length).values)
    }
    return tape.rotaryAngles(sequences, amplitude: embedding.usual.amplitude)
  }
}

extension DecoderDesign {
  /// The factor on the embeddings. As in transformers, Gemma's has the type in which the embeddings are used.
  fileprivate func embeddingScale(_ tokens: FrozenTensor, _ precision: Precision) -> Float {
    guard roundsEmbeddingScale, precision == .bfloat16, tokens.isStored(in: .bfloat16) else { return embeddingScale }
    let bits = embeddingScale.bitPattern
    return Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
  }
}
