import Autograd
import Checkpoints
import Kernels

/// BERT for sequence classification (Devlin et al., arXiv 1810.04805), as transformers'
/// `BertForSequenceClassification`.
struct Bert: SequenceClassifier {
  let config: ModelConfig
  private let embeddings: EncoderEmbeddings
  private let encoder: EncoderStack
  private let pooler: LinearSlot

  init(weights: ModelWeights) {
    config = weights.config
    embeddings = EncoderEmbeddings(weights: weights)
    encoder = EncoderStack(weights: weights)
    pooler = weights.linear("pooler.dense")
  }

  func logits(_ tokens: PackedTokens, _ context: ForwardContext) -> Tensor {
    let tape = context.tape
    let x = embeddings.forward(tokens, positions: tokens.layout.positions, tape)
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
