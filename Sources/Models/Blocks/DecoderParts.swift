extension DecoderDesign {
  /// Every module with parameters.
  func parts(_ config: ModelConfig) -> [ModelPart] {
    let hidden = config.hiddenSize
    func norm(_ module: String?, _ gguf: String?) -> [ModelPart] {
      module.map { [normPart($0, hidden, gguf: gguf)] } ?? []
    }
    var embeddings = [
      ModelPart.embedding(tokens, config.vocabularySize, hidden, isTokens: true, gguf: "token_embd")
    ]
    if let positions { embeddings.append(.embedding(positions, config.maxPositions, hidden)) }
    embeddings += norm(embeddingNorm, nil)
    let layer =
      norm(attentionNorm, "attn_norm") + attentionParts(config) + norm(attentionOutputNorm, "post_attention_norm")
      + norm(feedForwardNorm, "ffn_norm") + feedForwardParts(config) + norm(feedForwardOutputNorm, "post_ffw_norm")
    let layers = ModelPart.stack(stack, count: config.layers, layer).filter {
      hasFirstAttentionNorm || $0.layer != 0 || $0.module != attentionNorm
    }
    return embeddings + layers + norm(finalNorm, "output_norm")
  }

  private func normPart(_ module: String, _ size: Int, gguf: String?) -> ModelPart {
    // Where a norm multiplies by γ + 1, llama.cpp stores that.
    var offset: Float = 0
    if case .rms(let added) = norm { offset = added }
    return .norm(module, size, hasBias: norm == .layer, gguf: gguf, ggufOffset: offset)
  }

  private func attentionParts(_ config: ModelConfig) -> [ModelPart] {
    let hidden = config.hiddenSize, hasBias = biases.contains(.queryKeyValue)
    let queries = config.heads * config.headSize, keys = config.keyValueHeads * config.headSize
    let output = ModelPart.linear(
      attentionOutput, queries, hidden, hasBias: biases.contains(.attentionOutput), isTransposed: isTransposed,
      gguf: "attn_output")
    let norms: [ModelPart] =
      switch queryKeyNorms {
      case nil: []
      case .perHead(let query, let key):
        [normPart(query, config.headSize, gguf: "attn_q_norm"), normPart(key, config.headSize, gguf: "attn_k_norm")]
      case .whole(let query, let key):
        [normPart(query, queries, gguf: "attn_q_norm"), normPart(key, keys, gguf: "attn_k_norm")]
      }
    switch attention {
    case .fused(let module, let parts):
      let slices = zip(parts, [queries, keys, keys]).map { LinearMap.Slice(name: $0, outputs: $1) }
      return [
        .linear(
          module, hidden, queries + 2 * keys, role: .queryKeyValue, hasBias: hasBias, isTransposed: isTransposed,
          slices: slices, gguf: "attn_qkv"),
        output,
      ] + norms
    case .separate(let query, let key, let value):
      let turns = isInterleavedInGGUF && !rotary.isEmpty
      func projection(_ module: String, _ outputs: Int, _ role: LinearMap.Role, _ gguf: String, heads: Int?)
        -> ModelPart
      {
        .linear(
          module, hidden, outputs, role: role, hasBias: hasBias, isTransposed: isTransposed, gguf: gguf,
          rotatedHeads: turns ? heads : nil)
      }
      return [
        projection(query, queries, .query, "attn_q", heads: config.heads),
        projection(key, keys, .key, "attn_k", heads: config.keyValueHeads),
        projection(value, keys, .value, "attn_v", heads: nil), output,
      ] + norms
    }
  }

  private func feedForwardParts(_ config: ModelConfig) -> [ModelPart] {
    let hidden = config.hiddenSize, wide = config.intermediateSize
    func linear(_ module: String, _ inputs: Int, _ outputs: Int, _ gguf: String, slices: [String] = []) -> ModelPart {
      .linear(
        module, inputs, outputs, hasBias: biases.contains(.feedForward), isTransposed: isTransposed,
        slices: slices.map { LinearMap.Slice(name: $0, outputs: outputs / slices.count) }, gguf: gguf)
    }
    switch feedForward {
    case .gated(let gate, let up, let down):
      return [
        linear(gate, hidden, wide, "ffn_gate"), linear(up, hidden, wide, "ffn_up"),
        linear(down, wide, hidden, "ffn_down"),
      ]
    case .fusedGated(let module, let parts, let down):
      return [linear(module, hidden, 2 * wide, "ffn_up", slices: parts), linear(down, wide, hidden, "ffn_down")]
    case .plain(let up, let down): return [linear(up, hidden, wide, "ffn_up"), linear(down, wide, hidden, "ffn_down")]
    }
  }
}
