extension DecoderDesign {
  /// Every module with parameters.
  func parts(_ config: ModelConfig) -> [ModelPart] {
    let hidden = config.hiddenSize
    func norms(_ modules: String?...) -> [ModelPart] { modules.compactMap(\.self).map { normPart($0, hidden) } }
    var embeddings = [ModelPart.embedding(tokens, config.vocabularySize, hidden, isTokens: true)]
    if let positions { embeddings.append(.embedding(positions, config.maxPositions, hidden)) }
    embeddings += norms(embeddingNorm)
    let layer =
      norms(attentionNorm) + attentionParts(config) + norms(attentionOutputNorm, feedForwardNorm)
      + feedForwardParts(config) + norms(feedForwardOutputNorm)
    let layers = ModelPart.stack(stack, count: config.layers, layer).filter {
      hasFirstAttentionNorm || $0.layer != 0 || $0.module != attentionNorm
    }
    return embeddings + layers + norms(finalNorm)
  }

  private func normPart(_ module: String, _ size: Int) -> ModelPart { .norm(module, size, hasBias: norm == .layer) }

  private func attentionParts(_ config: ModelConfig) -> [ModelPart] {
    let hidden = config.hiddenSize, hasBias = biases.contains(.queryKeyValue)
    let queries = config.heads * config.headSize, keys = config.keyValueHeads * config.headSize
    let output = ModelPart.linear(
      attentionOutput, queries, hidden, hasBias: biases.contains(.attentionOutput), isTransposed: isTransposed,
      gguf: "attn_output")
    let norms: [ModelPart] =
      switch queryKeyNorms {
      case nil: []
      case .perHead(let query, let key): [normPart(query, config.headSize), normPart(key, config.headSize)]
      case .whole(let query, let key): [normPart(query, queries), normPart(key, keys)]
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
