import Autograd
import Kernels

/// The sum of word, position and type embeddings, normalised: where BERT and RoBERTa begin.
struct EncoderEmbeddings: Sendable {
  private let words: FrozenTensor
  private let positions: FrozenTensor
  private let types: FrozenTensor
  private let norm: LayerNormWeights
  private let dropout: Float

  init(weights: ModelWeights) {
    words = weights["embeddings.word_embeddings.weight"]
    positions = weights["embeddings.position_embeddings.weight"]
    types = weights["embeddings.token_type_embeddings.weight"]
    norm = weights.layerNorm("embeddings.LayerNorm")
    dropout = weights.config.hiddenDropout
  }

  /// [N, C] for the tokens at the given positions.
  func forward(_ tokens: PackedTokens, positions ids: [Int32], _ tape: Tape) -> Tensor {
    let sum = tape.embedding(tokens.layout, [(words, tokens.ids), (positions, ids), (types, tokens.typeIDs)])
    let normed = tape.residualLayerNorm(sum, bias: nil, dropout: 0, site: 0, residual: nil, norm)
    return tape.dropout(normed, probability: dropout, site: DropoutPlace.embeddings)
  }
}
