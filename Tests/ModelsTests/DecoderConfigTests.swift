import Models
import StrictJSON
import Testing

/// What the decoders' families read from `config.json`.
@Suite struct DecoderConfigTests {
  private func config(_ type: String, _ members: String = "") throws -> ModelConfig {
    try ModelConfig(json: #"{"model_type":"\#(type)"\#(members.isEmpty ? "" : "," + members)}"#, file: "c.json")
  }

  /// Vocabulary, width, layers, heads, heads of keys, head size, inner width, positions; tied; pad, begin, end; ε. They
  /// were printed by transformers 5.23 (`Qwen2Config()` and so on).
  static let defaults: [(type: String, sizes: [Int], isTied: Bool, tokens: [Int?], epsilon: Float)] = [
    ("mistral", [32_000, 4096, 32, 32, 8, 128, 14_336, 131_072], false, [nil, 1, 2], 1e-6),
    ("qwen2", [151_936, 4096, 32, 32, 32, 128, 22_016, 32_768], false, [nil, nil, nil], 1e-6),
    ("qwen3", [151_936, 4096, 32, 32, 32, 128, 22_016, 32_768], false, [nil, nil, nil], 1e-6),
    ("gemma", [256_000, 3072, 28, 16, 16, 256, 24_576, 8192], true, [0, 2, 1], 1e-6),
    ("gemma2", [256_000, 2304, 26, 8, 4, 256, 9216, 8192], true, [0, 2, 1], 1e-6),
    ("gemma3_text", [262_208, 2304, 26, 8, 4, 256, 9216, 131_072], true, [0, 2, 1], 1e-6),
    ("phi3", [32_064, 3072, 32, 32, 32, 96, 8192, 4096], false, [32_000, 1, 32_000], 1e-5),
    ("smollm3", [128_256, 2048, 36, 16, 4, 128, 11_008, 32_768], true, [128_004, 128_000, 128_001], 1e-6),
    ("olmo2", [50_304, 4096, 32, 32, 32, 128, 11_008, 2048], false, [1, nil, 50_279], 1e-5),
    ("granite", [32_000, 4096, 32, 32, 32, 128, 11_008, 2048], false, [nil, 1, 2], 1e-6),
  ]

  @Test(arguments: defaults) func defaultsAreThoseOfTransformers(
    _ type: String, _ sizes: [Int], _ isTied: Bool, _ tokens: [Int?], _ epsilon: Float
  ) throws {
    let config = try config(type)
    #expect(
      [
        config.vocabularySize, config.hiddenSize, config.layers, config.heads, config.keyValueHeads, config.headSize,
        config.intermediateSize, config.maxPositions,
      ] == sizes)
    #expect(config.tieWordEmbeddings == isTied && config.normEpsilon == epsilon)
    #expect([config.padTokenID, config.bosTokenID, config.eosTokenID] == tokens)
    #expect(config.hiddenDropout == 0 && config.attentionDropout == 0)
    #expect(config.activation == (type.hasPrefix("gemma") ? .geluTanh : .silu))
    #expect(config.design.rotary.count == config.layers)
  }

  // MARK: - Windows

  @Test func mistralsWindowMayBeNull() throws {
    #expect(try config("mistral").design.windows.allSatisfy { $0 == 4096 })
    #expect(try config("mistral", #""sliding_window":null"#).design.windows.allSatisfy { $0 == nil })
    #expect(try config("phi3").design.windows.allSatisfy { $0 == nil })
    #expect(try config("phi3", #""sliding_window":2047"#).design.windows.allSatisfy { $0 == 2047 })
  }

  @Test(arguments: ["qwen2", "qwen3"]) func qwensWindowsAreInTheUpperLayers(_ type: String) throws {
    let four = #""num_hidden_layers":4,"max_window_layers":3,"sliding_window":8"#
    #expect(try config(type, four).design.windows == [nil, nil, nil, nil])
    #expect(try config(type, four + #","use_sliding_window":true"#).design.windows == [nil, nil, nil, 8])
    let listed =
      four
      + #","use_sliding_window":true,"layer_types":["sliding_attention","full_attention","attention","full_attention"]"#
    #expect(try config(type, listed).design.windows == [8, nil, nil, nil])
  }

  @Test func gemmasWindowsAlternate() throws {
    let layers = #""num_hidden_layers":7,"sliding_window":8"#
    #expect(try config("gemma2", layers).design.windows == [8, nil, 8, nil, 8, nil, 8])
    let gemma3 = try config("gemma3_text", layers).design
    #expect(gemma3.windows == [8, 8, 8, 8, 8, nil, 8])
    #expect(try config("gemma3_text", layers + #","sliding_window_pattern":2"#).design.windows[1] == nil)
    // Layers with windows have the short base.
    #expect(gemma3.rotary[0] == rotary(10_000, 256) && gemma3.rotary[5] == rotary(1_000_000, 256))
  }

  @Test func smolLM3sLayersWithoutPositions() throws {
    let layers = #""num_hidden_layers":5"#
    #expect(try config("smollm3", layers).design.rotary.map { $0 == nil } == [false, false, false, true, false])
    let listed = try config("smollm3", layers + #","no_rope_layers":[0,1,1,1,0,1]"#).design
    #expect(listed.rotary.map { $0 == nil } == [true, false, false, false, true])
    #expect(listed.rotary[1] == rotary(2_000_000, 128))
    let sliding = try config("smollm3", layers + #","use_sliding_window":true,"sliding_window":8"#)
    #expect(sliding.design.windows == [nil, nil, nil, 8, nil])
  }

  private func rotary(_ theta: Double, _ size: Int) -> RotaryEmbedding {
    RotaryEmbedding(RotaryFrequencies(values: RotaryEmbedding.plain(theta: theta, size: size)))
  }

  // MARK: - Numbers of single families

  @Test func gemmasNumbers() throws {
    let gemma = try config("gemma", #""hidden_act":"gelu""#)
    #expect(gemma.activation == .geluTanh && gemma.design.embeddingScale == Float(3072).squareRoot())
    let gemma2 = try config("gemma2", #""query_pre_attn_scalar":144,"attn_logit_softcapping":null"#).design
    #expect(gemma2.scoreScale == 1 / 12 && gemma2.scoreCap == nil && gemma2.logitCap == 30)
    let gemma3 = try config("gemma3_text", #""attn_logit_softcapping":50.0"#).design
    #expect(gemma3.scoreScale == 1 / 16 && gemma3.scoreCap == nil && gemma3.logitCap == nil)
  }

  @Test func graniteMultiplies() throws {
    let design = try config(
      "granite",
      #""embedding_multiplier":12,"attention_multiplier":0.015625,"residual_multiplier":0.22,"logits_scaling":8"#
    ).design
    #expect(design.embeddingScale == 12 && design.scoreScale == 0.015625)
    #expect(design.residualScale == 0.22 && design.logitScale == 0.125)
  }

  @Test func phisRotaryEmbedding() throws {
    let lists = #""short_factor":[1,1,1],"long_factor":[2,2,2]"#
    let small = #""hidden_size":16,"num_attention_heads":2,"num_key_value_heads":2,"partial_rotary_factor":0.75,"#
    for name in ["longrope", "su", "yarn"] {
      let rotary = try config("phi3", small + #""rope_scaling":{"type":"\#(name)",\#(lists)}"#).design.rotary[0]
      #expect(rotary?.usual.values.count == 3 && rotary?.usualLength == 4096)
      #expect(rotary?.frequencies(length: 4097).values == rotary?.usual.values.map { $0 / 2 })
    }
  }

  @Test func gemma3sTextConfigIsRead() throws {
    let text =
      #""text_config":{"num_hidden_layers":6,"hidden_size":640,"rope_scaling":{"rope_type":"linear","factor":8}}"#
    let config = try config("gemma3", text + #","eos_token_id":[1,106]"#)
    #expect(config.layers == 6 && config.hiddenSize == 640 && config.eosTokenIDs == [1, 106] && config.padTokenID == 0)
    #expect(config.design.rotary[5]?.usual.values[0] == 1 / 8 && config.design.rotary[4] == rotary(10_000, 256))
    #expect(config.notices.count == 1)
    let untied = #"{"tie_word_embeddings":false}"#
    #expect(try self.config("gemma3", #""text_config":\#(untied)"#).tieWordEmbeddings)
    #expect(try !self.config("gemma3", #""text_config":{},"tie_word_embeddings":false"#).tieWordEmbeddings)
    let new = try self.config(
      "gemma3_text",
      #""rope_parameters":{"full_attention":{"rope_type":"linear","factor":8},"sliding_attention":{"rope_theta":5}}"#)
    #expect(new.design.rotary[5] == config.design.rotary[5] && new.design.rotary[0] == rotary(5, 256))
  }

  @Test func fusedMapsHavePartsOfTheirOwnSizes() throws {
    let geometry = ModelGeometry(
      try config(
        "phi3",
        #""hidden_size":16,"num_attention_heads":4,"num_key_value_heads":1,"intermediate_size":24,"num_hidden_layers":1"#
      ))
    let sites = geometry.sites.map { "\($0.module) \($0.outFeatures) \($0.slice?.firstRow ?? -1)" }
    #expect(
      sites == [
        "self_attn.qkv_proj 24 -1", "self_attn.qkv_proj.q 16 0", "self_attn.qkv_proj.k 4 16",
        "self_attn.qkv_proj.v 4 20", "self_attn.o_proj 16 -1", "mlp.gate_up_proj 48 -1", "mlp.gate_up_proj.gate 24 0",
        "mlp.gate_up_proj.up 24 24", "mlp.down_proj 16 -1",
      ])
  }

  // MARK: - Errors

  @Test(arguments: [
    ("mistral", #""sliding_window":0"#, "sliding_window: must be from 1 to 16777216, not 0"),
    ("mistral", #""hidden_size":4100"#, "num_attention_heads: must be a divisor of hidden_size (4100), not 32"),
    (
      "mistral", #""num_attention_heads":4"#, "num_key_value_heads: must be a divisor of num_attention_heads (4), not 8"
    ),
    ("qwen3", #""head_dim":7"#, "head_dim: a head has 7 numbers; rotary embeddings need an even number"),
    (
      "qwen2", #""layer_types":["full_attention"]"#,
      "layer_types: must be a list of num_hidden_layers (32) entries, not one of 1"
    ),
    (
      "gemma2", #""num_hidden_layers":1,"layer_types":["chunked_attention"]"#,
      #"layer_types[0]: "chunked_attention" is not supported; supported: full_attention, sliding_attention"#
    ),
    ("gemma2", #""sliding_window":null"#, "sliding_window: there is none, but layer 0 has sliding_attention"),
    (
      "qwen2", #""num_hidden_layers":1,"layer_types":["sliding_attention"]"#,
      "sliding_window: there is none, but layer 0 has sliding_attention"
    ),
    (
      "gemma3_text", #""use_bidirectional_attention":true"#,
      "use_bidirectional_attention: true is not supported; supported: false"
    ),
    (
      "gemma2", #""query_pre_attn_scalar":0"#,
      "query_pre_attn_scalar: must be a number above 0 that float32 holds, not 0.0"
    ),
    (
      "gemma2", #""final_logit_softcapping":-1"#,
      "final_logit_softcapping: must be a number above 0 that float32 holds, not -1.0"
    ),
    ("gemma3", "", "text_config: is missing"),
    ("gemma3", #""text_config":{"hidden_size":"a"}"#, "text_config.hidden_size: must be a whole number, not a string"),
    ("gemma3_text", #""rope_scaling":{"type":"linear","factor":8}"#, "rope_scaling.rope_type: is missing"),
    ("gemma3_text", #""rope_parameters":{"rope_theta":1}"#, "rope_parameters.rope_theta: unknown key"),
    (
      "phi3", #""rope_scaling":{"type":"linear","factor":2}"#,
      #"rope_scaling.type: "linear" is not supported; supported: default, longrope, su, yarn"#
    ),
    (
      "phi3", #""partial_rotary_factor":0.01"#,
      "partial_rotary_factor: 0.01 turns 0 of a head's 96 numbers; that must be an even number above 0"
    ),
    (
      "smollm3", #""no_rope_layers":[1]"#,
      "no_rope_layers: must be a list of num_hidden_layers (36) entries, not one of 1"
    ),
    (
      "granite", #""logits_scaling":1e-40"#,
      "logits_scaling: must be a number above 0 that float32 holds, not 1e-40"
    ),
    ("granite", #""logits_scaling":0"#, "logits_scaling: must be a number above 0 that float32 holds, not 0.0"),
  ]) func aWrongFieldIsNamed(_ type: String, _ members: String, _ sentence: String) {
    let error = #expect(throws: JSONFieldError.self) { try config(type, members) }
    #expect(error?.description == "c.json:1: " + sentence)
  }
}
