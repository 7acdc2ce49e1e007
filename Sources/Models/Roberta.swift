import Autograd
import Checkpoints
import Kernels

/// RoBERTa for sequence classification (Liu et al., arXiv 1907.11692), as transformers'
/// `RobertaForSequenceClassification`: BERT's encoder with positions that start after the padding id, no pooler, and
/// a two-layer head.
struct Roberta: SequenceClassifier {
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
