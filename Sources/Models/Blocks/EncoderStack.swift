import Autograd
import Diagnostics
import Kernels
import StrictJSON

/// The transformer encoder that BERT and RoBERTa share (Devlin et al., arXiv 1810.04805): post-norm layers of
/// self-attention and a two-layer perceptron.
struct EncoderStack: Sendable {
  struct Layer: Sendable {
    let query: LinearSlot, key: LinearSlot, value: LinearSlot
    let attentionOutput: LinearSlot
    let attentionNorm: NormWeights
    let intermediate: LinearSlot
    let output: LinearSlot
    let outputNorm: NormWeights

    var sites: [Int] { [query, key, value, attentionOutput, intermediate, output].map(\.site) }
  }

  let config: ModelConfig
  let layers: [Layer]

  init(weights: ModelWeights) {
    config = weights.config
    layers = (0..<weights.config.layers).map { index in
      let path = "encoder.layer.\(index)."
      return Layer(
        query: weights.linear(path + "attention.self.query"), key: weights.linear(path + "attention.self.key"),
        value: weights.linear(path + "attention.self.value"),
        attentionOutput: weights.linear(path + "attention.output.dense"),
        attentionNorm: weights.layerNorm(path + "attention.output.LayerNorm"),
        intermediate: weights.linear(path + "intermediate.dense"), output: weights.linear(path + "output.dense"),
        outputNorm: weights.layerNorm(path + "output.LayerNorm"))
    }
  }

  /// The last layer's state of each sequence's first token: x [N, C] → [B, C].
  ///
  /// The classifier reads nothing else, so the last layer asks for queries of those tokens alone: their keys and
  /// values still come from every token, and the result is the same.
  func firstTokenStates(_ x: Tensor, _ context: ForwardContext) -> Tensor {
    var x = x
    for index in layers.indices {
      let isLast = index == layers.count - 1
      x =
        context.block([x], sites: layers[index].sites) {
          [forward(layer: index, $0[0], onlyFirst: isLast, $1)]
        }[0]
    }
    return layers.isEmpty ? context.tape.selectFirst(x) : x
  }

  private func forward(layer index: Int, _ x: Tensor, onlyFirst: Bool, _ context: ForwardContext) -> Tensor {
    let tape = context.tape, layer = layers[index]
    let residual: Tensor
    let q: Tensor, k: Tensor, v: Tensor
    if onlyFirst {
      residual = tape.selectFirst(x)
      q = tape.linear(residual, context.adapted(layer.query))
      let keyValue = tape.linear(x, [context.adapted(layer.key), context.adapted(layer.value)])
      (k, v) = (keyValue[0], keyValue[1])
    } else {
      residual = x
      let projections = tape.linear(
        x, [context.adapted(layer.query), context.adapted(layer.key), context.adapted(layer.value)])
      (q, k, v) = (projections[0], projections[1], projections[2])
    }
    let attended = tape.attention(
      q: q, k: k, v: v, heads: config.heads, dropout: config.attentionDropout,
      site: DropoutPlace.attention(layer: index))
    let middle = tape.residualLayerNorm(
      tape.linear(attended, context.adapted(layer.attentionOutput, addsBias: false)),
      bias: layer.attentionOutput.linear.bias, dropout: config.hiddenDropout,
      site: DropoutPlace.attentionOutput(layer: index), residual: residual, layer.attentionNorm)
    let wide = tape.activation(
      tape.linear(middle, context.adapted(layer.intermediate, addsBias: false)),
      bias: layer.intermediate.linear.bias, config.activation)
    return tape.residualLayerNorm(
      tape.linear(wide, context.adapted(layer.output, addsBias: false)), bias: layer.output.linear.bias,
      dropout: config.hiddenDropout, site: DropoutPlace.output(layer: index), residual: middle, layer.outputNorm)
  }
}

/// The sum of word, position and type embeddings, normalised: where BERT and RoBERTa begin.
struct EncoderEmbeddings: Sendable {
  private let words: FrozenTensor
  private let positions: FrozenTensor
  private let types: FrozenTensor
  private let norm: NormWeights
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

extension EncoderStack {
  /// Every module of embeddings and layers.
  static func parts(_ config: ModelConfig) -> [ModelPart] {
    let hidden = config.hiddenSize, wide = config.intermediateSize
    return [
      .embedding("embeddings.word_embeddings", config.vocabularySize, hidden, isTokens: true),
      .embedding("embeddings.position_embeddings", config.maxPositions, hidden),
      .embedding("embeddings.token_type_embeddings", config.typeVocabularySize, hidden),
      .norm("embeddings.LayerNorm", hidden),
    ]
      + ModelPart.stack(
        "encoder.layer", count: config.layers,
        [
          .linear("attention.self.query", hidden, hidden, role: .query),
          .linear("attention.self.key", hidden, hidden, role: .key),
          .linear("attention.self.value", hidden, hidden, role: .value),
          .linear("attention.output.dense", hidden, hidden), .norm("attention.output.LayerNorm", hidden),
          .linear("intermediate.dense", hidden, wide), .linear("output.dense", wide, hidden),
          .norm("output.LayerNorm", hidden),
        ])
  }
}

extension ModelConfig {
  /// The fields of BERT and RoBERTa.
  mutating func readEncoder(_ fields: inout JSONObjectReader, vocabulary: Int, pad: Int, bos: Int?, eos: Int?) {
    readSizes(&fields, vocabulary: vocabulary, hidden: 768, layers: 12, heads: 12, inner: 3072, positions: 512)
    typeVocabularySize = fields.integer("type_vocab_size", 2, in: Bounds.width)
    normEpsilon = Float(fields.number("layer_norm_eps", 1e-12, in: 0...1))
    hiddenDropout = fields.optionalDropout("hidden_dropout_prob") ?? 0.1
    embeddingDropout = hiddenDropout
    attentionDropout = fields.optionalDropout("attention_probs_dropout_prob") ?? 0.1
    classifierDropout = fields.optionalDropout("classifier_dropout")
    readActivation("hidden_act", .gelu, &fields)
    tieWordEmbeddings = fields.bool("tie_word_embeddings", true)
    readTokens(&fields, pad: pad, bos: bos, eos: eos)
    let positionType = fields.optional("position_embedding_type") { try $0.string() } ?? "absolute"
    if positionType != "absolute" {
      fields.reportUnsupported(
        "position_embedding_type", JSONWriter.quoted(positionType.clipped), supported: "\"absolute\"")
    }
    fields.refuse("is_decoder")
  }
}
