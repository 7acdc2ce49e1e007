import Autograd
import Checkpoints
import Kernels

/// BERT for sequence classification (Devlin et al., arXiv 1810.04805), as transformers'
/// `BertForSequenceClassification`.
struct Bert: SequenceClassifier {
  let config: ModelConfig
  private let wordEmbeddings: FrozenTensor
  private let positionEmbeddings: FrozenTensor
  private let typeEmbeddings: FrozenTensor
  private let embeddingNorm: LayerNormWeights
  private let encoder: EncoderStack
  private let pooler: LinearSlot

  init(weights: ModelWeights) {
    config = weights.config
    wordEmbeddings = weights["embeddings.word_embeddings.weight"]
    positionEmbeddings = weights["embeddings.position_embeddings.weight"]
    typeEmbeddings = weights["embeddings.token_type_embeddings.weight"]
    embeddingNorm = weights.layerNorm("embeddings.LayerNorm")
    encoder = EncoderStack(weights: weights)
    pooler = weights.linear("pooler.dense")
  }

  func logits(_ tokens: PackedTokens, _ context: ForwardContext) -> Tensor {
    let tape = context.tape
    let embedded = tape.embedding(
      tokens.layout,
      [
        (wordEmbeddings, tokens.ids), (positionEmbeddings, tokens.layout.positions), (typeEmbeddings, tokens.typeIDs),
      ])
    let normed = tape.residualLayerNorm(embedded, bias: nil, dropout: 0, site: 0, residual: nil, embeddingNorm)
    let x = tape.dropout(normed, probability: config.hiddenDropout, site: DropoutPlace.embeddings)
    let first = encoder.firstTokenStates(x, context)
    let pooled = tape.activation(
      tape.linear(first, context.adapted(pooler, addsBias: false)), bias: pooler.linear.bias, .tanh)
    let dropped = tape.dropout(
      pooled, probability: config.classifierDropout ?? config.hiddenDropout, site: DropoutPlace.classifierInput)
    return tape.trainableLinear(dropped, weight: context.head[0], bias: context.head[1])
  }
}

extension PackedLayout {
  /// 0, 1, 2, … within each sequence.
  var positions: [Int32] { (0..<sequences).flatMap { 0..<Int32(range($0).count) } }
}
