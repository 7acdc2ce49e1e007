import Autograd
import Kernels
import StrictJSON

extension Architecture {
  /// RoBERTa (Liu et al., arXiv 1907.11692), as transformers' `RobertaForSequenceClassification`: BERT's encoder with
  /// positions that start after the padding id, no pooler, and a two-layer head.
  public static let roberta = Architecture(
    modelType: "roberta", basePrefix: "roberta", classifierClass: "RobertaForSequenceClassification",
    defaultTargets: ["query", "value"], tokenizerClass: "RobertaTokenizer",
    readConfig: { config, fields in
      config.readEncoder(&fields, vocabulary: 50_265, pad: 1, bos: 0, eos: 2)
      config.positionOffset = (config.padTokenID ?? 1) + 1
      config.checkPositions(&fields)
    },
    parts: EncoderStack.parts,
    head: { config, outputs in
      HeadParameter.linear("classifier.dense", config.hiddenSize, config.hiddenSize)
        + HeadParameter.linear("classifier.out_proj", config.hiddenSize, outputs, isOutput: true)
    },
    forward: .encoder { Roberta(weights: $0) })
}

extension ModelConfig {
  fileprivate func checkPositions(_ fields: inout JSONObjectReader) {
    guard let pad = padTokenID else {
      // A null or −1; other wrong values have been reported.
      if fields["pad_token_id"].map({ $0.node.integer == -1 }) ?? true {
        fields.report("pad_token_id", "RoBERTa needs a padding token, after whose number its positions begin")
      }
      return
    }
    if maximumSequenceLength < 1 {
      fields.report("max_position_embeddings", "\(maxPositions) leaves no position after pad_token_id (\(pad))")
    }
  }
}

private struct Roberta: SequenceClassifier {
  let config: ModelConfig
  private let embeddings: EncoderEmbeddings
  private let encoder: EncoderStack

  init(weights: ModelWeights) {
    config = weights.config
    embeddings = EncoderEmbeddings(weights: weights)
    encoder = EncoderStack(weights: weights)
  }

  func logits(_ tokens: PackedTokens, _ context: ForwardContext) -> Tensor {
    let tape = context.tape
    let x = embeddings.forward(tokens, positions: positions(tokens), tape)
    let first = encoder.firstTokenStates(x, context)
    let dropout = config.classifierDropout ?? config.hiddenDropout
    let input = tape.dropout(first, probability: dropout, site: DropoutPlace.classifierInput)
    let hidden = tape.activation(
      tape.trainableLinear(input, weight: context.head[0], bias: context.head[1]), .tanh)
    let dropped = tape.dropout(hidden, probability: dropout, site: DropoutPlace.classifierHidden)
    return tape.trainableLinear(dropped, weight: context.head[2], bias: context.head[3])
  }

  /// As `create_position_ids_from_input_ids`: a token's position is the padding id plus its number among the tokens
  /// that are not padding, from 1; a padding id in the text itself stays at the padding position.
  private func positions(_ tokens: PackedTokens) -> [Int32] {
    let padding = Int32(config.padTokenID ?? 1)
    var positions: [Int32] = []
    positions.reserveCapacity(tokens.ids.count)
    for sequence in 0..<tokens.layout.sequences {
      var seen: Int32 = 0
      for row in tokens.layout.range(sequence) {
        if tokens.ids[row] == padding {
          positions.append(padding)
        } else {
          seen += 1
          positions.append(padding + seen)
        }
      }
    }
    return positions
  }
}
