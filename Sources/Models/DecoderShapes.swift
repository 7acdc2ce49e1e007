import Checkpoints

/// The frozen tensors of GPT-2 and LLaMA, by transformers' names without the base model's prefix.
enum DecoderShapes {
  /// The output layer of a language model whose weights are not tied.
  static let head = "lm_head.weight"

  /// The token embedding.
  static func tokens(_ config: ModelConfig) -> String {
    config.family == .gpt2 ? "wte.weight" : "embed_tokens.weight"
  }

  /// Every tensor of the base model.
  static func all(_ config: ModelConfig) -> [(name: String, shape: [Int])] {
    [(tokens(config), [config.vocabularySize, config.hiddenSize])]
      + (config.family == .gpt2 ? gpt2(config) : llama(config))
  }

  /// Linear maps are `Conv1D`: [in, out].
  private static func gpt2(_ config: ModelConfig) -> [(name: String, shape: [Int])] {
    let hidden = config.hiddenSize, wide = config.intermediateSize
    func norm(_ path: String) -> [(name: String, shape: [Int])] {
      [(path + ".weight", [hidden]), (path + ".bias", [hidden])]
    }
    func linear(_ path: String, _ input: Int, _ out: Int) -> [(name: String, shape: [Int])] {
      [(path + ".weight", [input, out]), (path + ".bias", [out])]
    }
    let layers = (0..<config.layers).flatMap { layer in
      let path = "h.\(layer)."
      return norm(path + "ln_1") + linear(path + "attn.c_attn", hidden, 3 * hidden)
        + linear(path + "attn.c_proj", hidden, hidden) + norm(path + "ln_2")
        + linear(path + "mlp.c_fc", hidden, wide) + linear(path + "mlp.c_proj", wide, hidden)
    }
    return [("wpe.weight", [config.maxPositions, hidden])] + layers + norm("ln_f")
  }

  private static func llama(_ config: ModelConfig) -> [(name: String, shape: [Int])] {
    let hidden = config.hiddenSize, wide = config.intermediateSize
    let queries = config.heads * config.headSize, keys = config.keyValueHeads * config.headSize
    func linear(_ path: String, _ out: Int, _ input: Int, _ hasBias: Bool) -> [(name: String, shape: [Int])] {
      [(path + ".weight", [out, input])] + (hasBias ? [(path + ".bias", [out])] : [])
    }
    let layers = (0..<config.layers).flatMap { layer in
      let attention = "layers.\(layer).self_attn.", mlp = "layers.\(layer).mlp."
      let norms: [(name: String, shape: [Int])] = [
        ("layers.\(layer).input_layernorm.weight", [hidden]),
        ("layers.\(layer).post_attention_layernorm.weight", [hidden]),
      ]
      return norms + linear(attention + "q_proj", queries, hidden, config.attentionBias)
        + linear(attention + "k_proj", keys, hidden, config.attentionBias)
        + linear(attention + "v_proj", keys, hidden, config.attentionBias)
        + linear(attention + "o_proj", hidden, queries, config.attentionBias)
        + linear(mlp + "gate_proj", wide, hidden, config.mlpBias)
        + linear(mlp + "up_proj", wide, hidden, config.mlpBias)
        + linear(mlp + "down_proj", hidden, wide, config.mlpBias)
    }
    return layers + [("norm.weight", [hidden])]
  }
}
