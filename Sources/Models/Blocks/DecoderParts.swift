extension DecoderDesign {
  /// Every module with parameters.
  func parts(_ config: ModelConfig) -> [ModelPart] {
    let hidden = config.hiddenSize
    var embeddings = [ModelPart.embedding(tokens, config.vocabularySize, hidden, isTokens: true)]
    if let positions { embeddings.append(.embedding(positions, config.maxPositions, hidden)) }
    let layer =
      [normPart(attentionNorm, hidden)] + attentionParts(config) + [normPart(feedForwardNorm, hidden)]
      + feedForwardParts(config)
    return embeddings + ModelPart.stack(stack, count: config.layers, layer) + [normPart(finalNorm, hidden)]
  }

  private func normPart(_ module: String, _ size: Int) -> ModelPart { .norm(module, size, hasBias: norm == .layer) }

  private func attentionParts(_ config: ModelConfig) -> [ModelPart] {
    let hidden = config.hiddenSize
    let queries = config.heads * config.headSize, keys = config.keyValueHeads * config.headSize
    // llama.cpp turns neighbouring pairs where transformers turns halves.
    let turns = isInterleavedInGGUF && !rotary.isEmpty
    let output = ModelPart.linear(
      attentionOutput, queries, hidden, hasBias: biases.contains(.attentionOutput), isTransposed: isTransposed,
      gguf: "attn_output")
    switch attention {
    case .fused(let module, let parts):
      return [
        .linear(
          module, hidden, queries + 2 * keys, role: .queryKeyValue, hasBias: biases.contains(.queryKeyValue),
          isTransposed: isTransposed,
          slices: parts, gguf: "attn_qkv"),
        output,
      ]
    case .separate(let query, let key, let value):
      func projection(_ module: String, _ outputs: Int, _ role: LinearMap.Role, _ gguf: String, heads: Int?)
        -> ModelPart
      {
        .linear(
          module, hidden, outputs, role: role, hasBias: biases.contains(.queryKeyValue), isTransposed: isTransposed,
          gguf: gguf,
          rotatedHeads: turns ? heads : nil)
      }
      return [
        projection(query, queries, .query, "attn_q", heads: config.heads),
        projection(key, keys, .key, "attn_k", heads: config.keyValueHeads),
        projection(value, keys, .value, "attn_v", heads: nil), output,
      ]
    }
  }

  private func feedForwardParts(_ config: ModelConfig) -> [ModelPart] {
    let hidden = config.hiddenSize, wide = config.intermediateSize
    func linear(_ module: String, _ inputs: Int, _ outputs: Int, _ gguf: String) -> ModelPart {
      .linear(module, inputs, outputs, hasBias: biases.contains(.feedForward), isTransposed: isTransposed, gguf: gguf)
    }
    switch feedForward {
    case .gated(let gate, let up, let down):
      return [
        linear(gate, hidden, wide, "ffn_gate"), linear(up, hidden, wide, "ffn_up"),
        linear(down, wide, hidden, "ffn_down"),
      ]
    case .plain(let up, let down): return [linear(up, hidden, wide, "ffn_up"), linear(down, wide, hidden, "ffn_down")]
    }
  }
}
