import StrictJSON

extension Architecture {
  /// SmolLM 3 (Hugging Face, 2025), as transformers' `SmolLM3Model`: LLaMA with every fourth layer without positions.
  public static let smolLM3 = Architecture.decoder(
    modelType: "smollm3", classifierClass: "SmolLM3ForSequenceClassification",
    tokenClassifierClass: "SmolLM3ForTokenClassification",
    languageModelClass: "SmolLM3ForCausalLM", gguf: .adapters("smollm3"),
    read: { config, design, fields in
      config.readDecoder(
        &fields, vocabulary: 128_256, hidden: 2048, layers: 36, heads: 16, keyValueHeads: 4, inner: 11_008,
        positions: 32_768, isTied: true)
      config.readTokens(&fields, pad: 128_004, bos: 128_000, eos: 128_001)
      design.biases = .read(&fields, attention: "attention_bias", feedForward: "mlp_bias")
      let turns = config.readTurningLayers(&fields)
      let window = config.readWindow(&fields, standard: nil), isUsed = fields.bool("use_sliding_window", false)
      let sliding = config.readSlidingLayers(&fields) { isUsed && window != nil && !turns[$0] }
      design.windows = config.windows(window, sliding, &fields)
      design.rotary = zip(config.readRotary(&fields, RotaryRules(theta: 2_000_000)), turns).map { $1 ? $0 : nil }
    })
}

extension ModelConfig {
  /// Whether positions turn each layer's queries and keys: the 1 and 0 of `no_rope_layers`, or all layers but every
  /// `no_rope_layer_interval`th.
  fileprivate func readTurningLayers(_ fields: inout JSONObjectReader) -> [Bool] {
    let interval = fields.integer("no_rope_layer_interval", 4, in: Bounds.depth)
    let listed = fields.optional("no_rope_layers") { list in
      let entries = try list.elements().map { try $0.integer(in: 0...1) == 1 }
      if entries.count >= layers { return entries }
      throw list.error(
        .wrongValue(expected: "a list of num_hidden_layers (\(layers)) entries", found: "one of \(entries.count)"))
    }
    return listed.map { Array($0.prefix(layers)) } ?? (0..<layers).map { ($0 + 1) % interval != 0 }
  }
}
