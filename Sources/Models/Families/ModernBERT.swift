import Autograd
import Diagnostics
import Kernels
import StrictJSON

extension Architecture {
  /// ModernBERT (Warner et al., arXiv 2412.13663), as transformers' `ModernBertForSequenceClassification`: an encoder with
  /// norms before its blocks, rotary positions, GeGLU, and windows in most layers.
  public static let modernBERT = Architecture(
    modelType: "modernbert", basePrefix: "model", classifierClass: "ModernBertForSequenceClassification",
    defaultTargets: ["Wqkv.q", "Wqkv.v"], tokenizerClass: "TokenizersBackend",
    readConfig: { $0.readModernBERT(&$1) }, parts: { $0.design.parts($0) },
    head: { $0.modernBERTHead(outputs: $1) },
    forward: .encoder { ModernBERT(stack: DecoderStack(weights: $0)) },
    tokenHead: TokenHead(
      className: "ModernBertForTokenClassification", parameters: { $0.modernBERTHead(outputs: $1) },
      encoder: { DecoderStack(weights: $0) }, logits: modernBERTLogits))
}

extension ModelConfig {
  /// The head of sequences, and of tokens.
  fileprivate func modernBERTHead(outputs: Int) -> [HeadParameter] {
    HeadParameter.linear("head.dense", hiddenSize, hiddenSize, hasBias: classifierBias)
      + HeadParameter.norm("head.norm", hiddenSize, hasBias: design.norm == .layer)
      + HeadParameter.linear("classifier", hiddenSize, outputs, isOutput: true)
  }

  /// transformers 5.23, configuration_modernbert.py.
  fileprivate mutating func readModernBERT(_ fields: inout JSONObjectReader) {
    readSizes(
      &fields, vocabulary: 50_368, hidden: 768, layers: 22, heads: 12, inner: 1152, positions: 8192)
    if headSize % 2 != 0 {
      fields.report("hidden_size", "a head has \(headSize) numbers; rotary embeddings need an even number")
    }
    normEpsilon = Float(fields.number("norm_eps", 1e-5, in: 0...1))
    readActivation("hidden_activation", .gelu, &fields)
    embeddingDropout = fields.optionalDropout("embedding_dropout") ?? 0
    attentionDropout = fields.optionalDropout("attention_dropout") ?? 0
    tieWordEmbeddings = fields.bool("tie_word_embeddings", true)
    readTokens(&fields, pad: 50_283, bos: 50_281, eos: 50_282)
    readModernBERTHead(&fields)
    var design = DecoderDesign()
    (design.tokens, design.embeddingNorm) = ("embeddings.tok_embeddings", "embeddings.norm")
    (design.attentionNorm, design.feedForwardNorm, design.finalNorm) = ("attn_norm", "mlp_norm", "final_norm")
    (design.hasFirstAttentionNorm, design.isCausal) = (false, false)
    design.norm = fields.bool("norm_bias", false) ? .layer : .layerWithoutBias
    (design.attention, design.attentionOutput) = (.fused("attn.Wqkv", parts: ["q", "k", "v"]), "attn.Wo")
    design.feedForward = .fusedGated("mlp.Wi", parts: ["input", "gate"], down: "mlp.Wo")
    design.biases = .read(&fields, attention: "attention_bias", feedForward: "mlp_bias")
    design.attentionOutputDropout = attentionDropout
    design.innerDropout = fields.optionalDropout("mlp_dropout") ?? 0
    let pattern = fields.integer("global_attn_every_n_layers", 3, in: Bounds.depth)
    let sliding = readSlidingLayers(&fields) { $0 % pattern != 0 }
    // A token sees half of the window on either side.
    let window = fields.integer("local_attention", 128, in: 2...Bounds.positions.upperBound)
    design.windows = windows(window / 2, sliding, &fields)
    if let scaling = fields["rope_scaling"]?.node, !scaling.isNull {
      fields.reportUnsupported("rope_scaling", scaling.kind, supported: "rope_parameters, by kind of layer")
    }
    design.rotary = readRotary(
      &fields, sliding: sliding, theta: 160_000, slidingTheta: 10_000, keys: ("global_rope_theta", "local_rope_theta"))
    self.design = design
  }

  private mutating func readModernBERTHead(_ fields: inout JSONObjectReader) {
    classifierDropout = fields.optionalDropout("classifier_dropout") ?? 0
    classifierBias = fields.bool("classifier_bias", false)
    classifierActivation = readActivation(named: "classifier_activation", .gelu, &fields)
    let pooling = fields.optional("classifier_pooling") { try $0.string() } ?? "cls"
    classifierReadsMean = pooling == "mean"
    if pooling != "cls", pooling != "mean" {
      fields.reportUnsupported("classifier_pooling", JSONWriter.quoted(pooling.clipped), supported: "\"cls\", \"mean\"")
    }
  }
}

/// The head on the first token's state or the mean of all.
private struct ModernBERT: SequenceClassifier {
  let stack: DecoderStack
  var config: ModelConfig { stack.config }

  func logits(_ tokens: PackedTokens, _ context: ForwardContext) -> Tensor {
    let readsMean = config.classifierReadsMean
    let states = stack.states(tokens, onlyOne: !readsMean, context)
    return modernBERTLogits(readsMean ? context.tape.meanOfRows(states) : states, config, context)
  }
}

/// A dense layer with an activation and a norm, dropout and one linear layer.
private func modernBERTLogits(_ states: Tensor, _ config: ModelConfig, _ context: ForwardContext) -> Tensor {
  let tape = context.tape
  // The weight of the dense layer, then γ, then the output's weight; each may have a bias behind it.
  let head = context.head, gamma = config.classifierBias ? 2 : 1
  let hasBeta = config.design.norm == .layer, output = gamma + (hasBeta ? 2 : 1)
  let hidden = tape.activation(
    tape.trainableLinear(states, weight: head[0], bias: config.classifierBias ? head[1] : nil),
    config.classifierActivation)
  let normed = tape.trainableLayerNorm(
    hidden, weight: head[gamma], bias: hasBeta ? head[gamma + 1] : nil, epsilon: config.normEpsilon)
  let dropped = tape.dropout(
    normed, probability: config.classifierDropout ?? 0, site: DropoutPlace.classifierInput)
  return tape.trainableLinear(dropped, weight: head[output], bias: head[output + 1])
}
