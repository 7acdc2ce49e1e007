import Autograd
import Kernels

extension Architecture {
  /// BERT (Devlin et al., arXiv 1810.04805), as transformers' `BertForSequenceClassification`.
  public static let bert = Architecture(
    modelType: "bert", basePrefix: "bert", classifierClass: "BertForSequenceClassification",
    defaultTargets: ["query", "value"], tokenizerClass: "BertTokenizer",
    readConfig: { config, fields in config.readEncoder(&fields, vocabulary: 30_522, pad: 0, bos: nil, eos: nil) },
    parts: { config in
      EncoderStack.parts(config)
        + [.linear("pooler.dense", config.hiddenSize, config.hiddenSize, isOptional: true)]
    },
    head: { config, outputs in HeadParameter.linear("classifier", config.hiddenSize, outputs, isOutput: true) },
    forward: .encoder { Bert(weights: $0) })
}

/// The first token's state through the pooler, dropout and one linear layer.
private struct Bert: SequenceClassifier {
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
