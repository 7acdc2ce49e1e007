import StrictJSON
import Testing

@testable import Models

/// What the encoders' families read from `config.json`.
@Suite struct EncoderConfigTests {
  private func config(_ type: String, _ members: String = "") throws -> ModelConfig {
    try ModelConfig(json: #"{"model_type":"\#(type)"\#(members.isEmpty ? "" : "," + members)}"#, file: "c.json")
  }

  /// Vocabulary, width, width of the embeddings, layers, heads, inner width, positions, types; pad, begin, end; ε. They
  /// were printed by transformers 5.23 (`ElectraConfig()` and so on).
  static let defaults: [(type: String, sizes: [Int], tokens: [Int?], epsilon: Float)] = [
    ("bert", [30_522, 768, 768, 12, 12, 3072, 512, 2], [0, nil, nil], 1e-12),
    ("roberta", [50_265, 768, 768, 12, 12, 3072, 512, 2], [1, 0, 2], 1e-12),
    ("distilbert", [30_522, 768, 768, 6, 12, 3072, 512, 0], [0, nil, nil], 1e-12),
    ("xlm-roberta", [30_522, 768, 768, 12, 12, 3072, 512, 2], [1, 0, 2], 1e-12),
    ("camembert", [30_522, 768, 768, 12, 12, 3072, 512, 2], [1, 0, 2], 1e-12),
    ("electra", [30_522, 256, 128, 12, 4, 1024, 512, 2], [0, nil, nil], 1e-12),
    ("albert", [30_000, 4096, 128, 12, 64, 16_384, 512, 2], [0, 2, 3], 1e-12),
    ("mpnet", [30_527, 768, 768, 12, 12, 3072, 512, 0], [1, 0, 2], 1e-12),
    ("deberta-v2", [128_100, 1536, 1536, 24, 24, 6144, 512, 0], [0, nil, nil], 1e-7),
    ("modernbert", [50_368, 768, 768, 22, 12, 1152, 8192, 0], [50_283, 50_281, 50_282], 1e-5),
  ]

  @Test(arguments: defaults) func defaultsAreThoseOfTransformers(
    _ type: String, _ sizes: [Int], _ tokens: [Int?], _ epsilon: Float
  ) throws {
    let config = try config(type)
    #expect(
      [
        config.vocabularySize, config.hiddenSize, config.encoder.embeddingSize ?? config.hiddenSize, config.layers,
        config.heads, config.intermediateSize, config.maxPositions, config.typeVocabularySize,
      ] == sizes)
    #expect([config.padTokenID, config.bosTokenID, config.eosTokenID] == tokens)
    #expect(config.normEpsilon == epsilon)
  }

  @Test func albertsGroupsAreThoseOfTransformers() throws {
    let config = try config("albert", #""num_hidden_layers":18,"num_hidden_groups":14"#)
    let places = config.encoder.paths(config).map { $0.split(separator: ".")[2] }
    #expect(places[9] == "6")
  }

  @Test(arguments: [
    ("bert", #""type_vocab_size":0"#, "type_vocab_size: must be from 1 to 65536, not 0"),
    (
      "roberta", #""pad_token_id":null"#,
      "pad_token_id: roberta needs a padding token, after whose number its positions begin"
    ),
    ("mpnet", #""pad_token_id":0"#, "pad_token_id: 0 is not supported; supported: 1"),
    (
      "mpnet", #""relative_attention_num_buckets":16"#,
      "relative_attention_num_buckets: 16 is not supported; supported: 32"
    ),
    ("albert", #""num_hidden_groups":13"#, "num_hidden_groups: must be from 1 to 12, not 13"),
    ("albert", #""inner_group_num":86"#, "inner_group_num: must be from 1 to 85, not 86"),
    ("distilbert", #""n_heads":0"#, "n_heads: must be from 1 to 65536, not 0"),
    ("distilbert", #""n_heads":5"#, "n_heads: must be a divisor of dim (768), not 5"),
    (
      "deberta-v2", #""norm_rel_ebd":"layer_norm""#,
      "norm_rel_ebd: needs relative_attention to be true"
    ),
    ("deberta-v2", #""pooler_hidden_size":768"#, "pooler_hidden_size: 768 is not supported; supported: 1536"),
    ("deberta-v2", #""attention_head_size":32"#, "attention_head_size: 32 is not supported; supported: 64"),
    ("deberta-v2", #""conv_kernel_size":2"#, "conv_kernel_size: must be an odd number, or 0, not 2"),
    (
      "deberta-v2", #""relative_attention":true,"pos_att_type":["c2p","p2p"]"#,
      #"pos_att_type: "p2p" is not supported; supported: c2p, p2c"#
    ),
    (
      "deberta-v2", #""relative_attention":true,"position_buckets":2"#,
      "position_buckets: must be 4 to below 1022, not 2"
    ),
    ("modernbert", #""local_attention":0"#, "local_attention: must be from 2 to 16777216, not 0"),
    (
      "modernbert", #""classifier_pooling":"max""#,
      #"classifier_pooling: "max" is not supported; supported: "cls", "mean""#
    ),
  ]) func aWrongFieldIsNamed(_ type: String, _ members: String, _ sentence: String) {
    let error = #expect(throws: JSONFieldError.self) { try config(type, members) }
    #expect(error?.description == "c.json:1: " + sentence)
  }
}
