import Autograd
import Kernels

/// An encoder of an `EncoderDesign` with its classification head.
struct EncoderClassifier: SequenceClassifier {
  let config: ModelConfig
  private let body: EncoderBody
  private let pooler: LinearSlot?

  init(weights: ModelWeights) {
    config = weights.config
    body = EncoderBody(weights: weights)
    if case .pooler(let path) = config.encoder.head { pooler = weights.linear(path) } else { pooler = nil }
  }

  func logits(_ tokens: PackedTokens, _ context: ForwardContext) -> Tensor {
    let tape = context.tape, head = context.head
    let first = body.states(tokens, onlyFirst: true, context)
    switch config.encoder.head {
    case .pooler:
      let pooled = pooler.map { pooler in
        tape.activation(
          tape.linear(first, context.adapted(pooler, addsBias: false)), bias: pooler.linear.bias, .tanh)
      }
      let dropped = tape.dropout(
        pooled ?? first, probability: config.classifierDropout ?? config.hiddenDropout,
        site: DropoutPlace.classifierInput)
      return tape.trainableLinear(dropped, weight: head[0], bias: head[1])
    case .dense(_, let activation, _, let inputDropout, let dropout):
      let input = tape.dropout(first, probability: inputDropout ?? 0, site: DropoutPlace.classifierInput)
      let hidden = tape.activation(tape.trainableLinear(input, weight: head[0], bias: head[1]), activation)
      let dropped = tape.dropout(hidden, probability: dropout, site: DropoutPlace.classifierHidden)
      return tape.trainableLinear(dropped, weight: head[2], bias: head[3])
    }
  }
}

/// An encoder of an `EncoderDesign` without a head.
struct EncoderBody: TokenEncoder {
  let config: ModelConfig
  private let embeddings: EncoderEmbeddings
  private let stack: EncoderStack

  init(weights: ModelWeights) {
    config = weights.config
    embeddings = EncoderEmbeddings(weights: weights)
    stack = EncoderStack(weights: weights)
  }

  /// The last layer's states of all tokens, or of each sequence's first one.
  func states(_ tokens: PackedTokens, onlyFirst: Bool, _ context: ForwardContext) -> Tensor {
    stack.states(embeddings.forward(tokens, context), onlyFirst: onlyFirst, context)
  }

  func tokenStates(_ tokens: PackedTokens, _ context: ForwardContext) -> Tensor {
    states(tokens, onlyFirst: false, context)
  }
}

/// The sum of word, position and type embeddings, normalised: where encoders begin.
struct EncoderEmbeddings: Sendable {
  private let config: ModelConfig
  private let words: FrozenTensor
  private let positions: FrozenTensor?
  private let types: FrozenTensor?
  private let norm: NormWeights
  private let projection: LinearSlot?

  init(weights: ModelWeights) {
    config = weights.config
    let design = config.encoder
    words = weights[design.words + ".weight"]
    positions = design.positions.map { weights[$0 + ".weight"] }
    types = design.types.map { weights[$0 + ".weight"] }
    norm = weights.layerNorm(design.embeddingNorm)
    projection = design.projection.map { weights.linear($0.path) }
  }

  /// [N, C] for the tokens.
  func forward(_ tokens: PackedTokens, _ context: ForwardContext) -> Tensor {
    let tape = context.tape, design = config.encoder
    var tables = [(table: words, ids: tokens.ids)]
    if let positions { tables.append((positions, places(tokens))) }
    if let types { tables.append((types, tokens.typeIDs)) }
    var x = tape.embedding(tokens.layout, tables)
    if let projection, design.projection?.isBeforeNorm == true { x = tape.linear(x, context.adapted(projection)) }
    x = tape.residualLayerNorm(x, bias: nil, dropout: 0, site: 0, residual: nil, norm)
    x = tape.dropout(x, probability: config.embeddingDropout, site: DropoutPlace.embeddings)
    guard let projection, design.projection?.isBeforeNorm == false else { return x }
    return tape.widened(tape.linear(x, context.adapted(projection)))
  }

  private func places(_ tokens: PackedTokens) -> [Int32] {
    config.encoder.startsAfterPadding
      ? placesAfterPadding(tokens, padding: Int32(config.padTokenID ?? 1)) : tokens.layout.positions
  }

  /// As `create_position_ids_from_input_ids`: a token's position is the padding id plus its number among the tokens
  /// that are not padding, from 1; a padding id in the text itself stays at the padding position.
  private func placesAfterPadding(_ tokens: PackedTokens, padding: Int32) -> [Int32] {
    var places: [Int32] = []
    places.reserveCapacity(tokens.ids.count)
    for sequence in 0..<tokens.layout.sequences {
      var seen: Int32 = 0
      for row in tokens.layout.range(sequence) {
        if tokens.ids[row] == padding {
          places.append(padding)
        } else {
          seen += 1
          places.append(padding + seen)
        }
      }
    }
    return places
  }
}
