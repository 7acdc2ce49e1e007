import Diagnostics
import Kernels
import StrictJSON

// What the configs of encoders share, under the names and with the defaults of transformers 5.23.

extension ModelConfig {
  /// The sizes, dropouts, norm ε, activation and special tokens that BERT's descendants call the same. The arguments are the
  /// family's defaults.
  public mutating func readEncoder(
    _ fields: inout JSONObjectReader, vocabulary: Int, hidden: Int = 768, layers: Int = 12, heads: Int = 12,
    inner: Int = 3072, types: Int? = 2, dropout: Float = 0.1, epsilon: Double = 1e-12, activation: Activation = .gelu,
    pad: Int, bos: Int?, eos: Int?
  ) {
    readSizes(
      &fields, vocabulary: vocabulary, hidden: hidden, layers: layers, heads: heads, inner: inner, positions: 512)
    if let types {
      // Without types there is no table of them, in the families that have none by default.
      typeVocabularySize = fields.integer("type_vocab_size", types, in: min(types, 1)...Bounds.width.upperBound)
    }
    normEpsilon = Float(fields.number("layer_norm_eps", epsilon, in: 0...1))
    hiddenDropout = fields.optionalDropout("hidden_dropout_prob") ?? dropout
    embeddingDropout = hiddenDropout
    attentionDropout = fields.optionalDropout("attention_probs_dropout_prob") ?? dropout
    classifierDropout = fields.optionalDropout("classifier_dropout")
    readActivation("hidden_act", activation, &fields)
    tieWordEmbeddings = fields.bool("tie_word_embeddings", true)
    readTokens(&fields, pad: pad, bos: bos, eos: eos)
    let positionType = fields.optional("position_embedding_type") { try $0.string() } ?? "absolute"
    if positionType != "absolute" {
      fields.reportUnsupported(
        "position_embedding_type", JSONWriter.quoted(positionType.clipped), supported: "\"absolute\"")
    }
    fields.refuse("is_decoder")
  }

  /// RoBERTa's members, and its positions and head, which several families keep.
  public mutating func readRoberta(
    _ fields: inout JSONObjectReader, _ design: inout EncoderDesign, vocabulary: Int, types: Int? = 2
  ) {
    readEncoder(&fields, vocabulary: vocabulary, types: types, pad: 1, bos: 0, eos: 2)
    startAfterPadding(&fields, &design)
    design.head = denseHead(.tanh)
  }

  /// Two maps, with dropout before both: RoBERTa's and ELECTRA's head.
  func denseHead(_ activation: Activation) -> EncoderDesign.Head {
    let dropout = classifierDropout ?? hiddenDropout
    return .dense("classifier.dense", activation, then: "classifier.out_proj", inputDropout: dropout, dropout: dropout)
  }

  /// The padding token, which a model whose positions begin after its number must have; adds the error if it has none.
  func checkedPadding(_ fields: inout JSONObjectReader) -> Int? {
    if let padTokenID { return padTokenID }
    // A null or −1; other wrong values have been reported.
    if fields["pad_token_id"].map({ $0.node.integer == -1 }) ?? true {
      fields.report("pad_token_id", "\(modelType) needs a padding token, after whose number its positions begin")
    }
    return nil
  }

  private mutating func startAfterPadding(_ fields: inout JSONObjectReader, _ design: inout EncoderDesign) {
    design.startsAfterPadding = true
    positionOffset = (padTokenID ?? 1) + 1
    guard let pad = checkedPadding(&fields) else { return }
    if maximumSequenceLength < 1 {
      fields.report("max_position_embeddings", "\(maxPositions) leaves no position after pad_token_id (\(pad))")
    }
  }
}
