import Checkpoints
import Diagnostics
import Models
import Testing

@Suite struct ModelConfigErrorTests {
  /// Family, members, the sentence after `config.json:1: `.
  static let wrong: [(String, String, String)] = [
    ("bert", #""hidden_size":"8""#, "hidden_size is a string, expected a whole number"),
    ("bert", #""hidden_size":8.5"#, "hidden_size is a number, expected a whole number"),
    ("bert", #""hidden_size":null"#, "hidden_size is null, expected a whole number"),
    ("bert", #""hidden_size":0"#, "hidden_size is 0, expected 1 to 65536"),
    ("bert", #""vocab_size":-1"#, "vocab_size is -1, expected 1 to 16777216"),
    ("bert", #""vocab_size":9223372036854775807"#, "vocab_size is 9223372036854775807, expected 1 to 16777216"),
    ("bert", #""vocab_size":1e300"#, "vocab_size is a number, expected a whole number"),
    ("bert", #""num_hidden_layers":1025"#, "num_hidden_layers is 1025, expected 1 to 1024"),
    ("bert", #""num_attention_heads":7"#, "hidden_size (768) is not a multiple of num_attention_heads (7)"),
    ("bert", #""intermediate_size":1048577"#, "intermediate_size is 1048577, expected 1 to 1048576"),
    ("bert", #""max_position_embeddings":16777217"#, "max_position_embeddings is 16777217, expected 1 to 16777216"),
    ("bert", #""type_vocab_size":0"#, "type_vocab_size is 0, expected 1 to 65536"),
    ("bert", #""layer_norm_eps":"1e-12""#, "layer_norm_eps is a string, expected a number"),
    ("bert", #""layer_norm_eps":-1"#, "layer_norm_eps is -1.0, expected 0.0 to 1.0"),
    ("bert", #""hidden_dropout_prob":1.0"#, "hidden_dropout_prob is 1.0, expected a probability below 1"),
    ("bert", #""hidden_dropout_prob":-0.1"#, "hidden_dropout_prob is -0.1, expected 0.0 to 1.0"),
    ("bert", #""classifier_dropout":true"#, "classifier_dropout is true or false, expected a number"),
    ("bert", #""tie_word_embeddings":1"#, "tie_word_embeddings is a whole number, expected true or false"),
    ("bert", #""pad_token_id":30522"#, "pad_token_id is 30522, expected below vocab_size (30522)"),
    ("bert", #""eos_token_id":["a"]"#, "eos_token_id is a list, expected a list of token numbers"),
    ("bert", #""is_decoder":true"#, "is_decoder true is not supported; supported: false"),
    ("bert", #""add_cross_attention":true"#, "add_cross_attention true is not supported; supported: false"),
    ("bert", #""is_encoder_decoder":true"#, "is_encoder_decoder true is not supported; supported: false"),
    (
      "bert", #""position_embedding_type":"relative_key""#,
      #"position_embedding_type "relative_key" is not supported; supported: "absolute""#
    ),
    (
      "bert", #""pruned_heads":{"0":[1]}"#,
      "pruned_heads (an object) is not supported; supported: models without it"
    ),
    (
      "llama", #""quantization_config":{"bits":4}"#,
      "quantization_config (an object) is not supported; supported: models without it"
    ),
    ("bert", #""hidden_act":3"#, "hidden_act is a whole number, expected a string"),
    (
      "bert", #""hidden_act":"gelu_10""#,
      #"hidden_act "gelu_10" is not supported; supported: gelu, gelu_accurate, gelu_fast, gelu_new, gelu_python, "#
        + "gelu_python_tanh, gelu_pytorch_tanh, mish, quick_gelu, relu, relu2, silu, swish, tanh"
    ),
    (
      "bert", #""problem_type":"ranking""#,
      #"problem_type "ranking" is not supported; supported: regression, single_label_classification, "#
        + "multi_label_classification"
    ),
    ("bert", #""num_labels":0"#, "num_labels is 0, expected 1 to 65536"),
    ("bert", #""id2label":[]"#, "id2label is a list, expected an object"),
    ("bert", #""id2label":{"1":"a"}"#, "id2label does not give each of the classes 0 to 0 one name"),
    ("bert", #""id2label":{"0":"a","00":"b"}"#, "id2label does not give each of the classes 0 to 1 one name"),
    ("bert", #""id2label":{"0":"a","x":"b"}"#, "id2label does not give each of the classes 0 to 1 one name"),
    ("bert", #""id2label":{"0":1}"#, "id2label does not give each of the classes 0 to 0 one name"),
    ("bert", #""label2id":{"a":0,"b":0}"#, "label2id does not give each of the classes 0 to 1 one name"),
    ("roberta", #""pad_token_id":null"#, "RoBERTa needs a pad_token_id, after which its positions begin"),
    ("roberta", #""pad_token_id":-1"#, "RoBERTa needs a pad_token_id, after which its positions begin"),
    ("roberta", #""pad_token_id":"1""#, "pad_token_id is a string, expected a whole number"),
    (
      "roberta", #""max_position_embeddings":2"#,
      "max_position_embeddings (2) leaves no position after pad_token_id (1)"
    ),
    ("gpt2", #""n_head":5"#, "n_embd (768) is not a multiple of n_head (5)"),
    ("gpt2", #""n_inner":0"#, "n_inner is 0, expected 1 to 1048576"),
    (
      "gpt2", #""scale_attn_by_inverse_layer_idx":true"#,
      "scale_attn_by_inverse_layer_idx true is not supported; supported: false"
    ),
    ("gpt2", #""scale_attn_weights":false"#, "scale_attn_weights false is not supported; supported: true"),
    ("llama", #""num_key_value_heads":5"#, "num_attention_heads (32) is not a multiple of num_key_value_heads (5)"),
    ("llama", #""head_dim":63"#, "a head has 63 numbers; rotary embeddings need an even number"),
    ("llama", #""head_dim":4097"#, "head_dim is 4097, expected 1 to 4096"),
    ("llama", #""rope_theta":0"#, "rope_theta is 0.0, expected 1.0 to 1000000000000000.0"),
    ("llama", #""rope_scaling":3"#, "rope_scaling is a whole number, expected an object"),
    ("llama", #""rope_scaling":{"type":3}"#, "rope_scaling.rope_type is a whole number, expected a string"),
    (
      "llama", #""rope_parameters":{"rope_theta":"x"}"#,
      "rope_parameters.rope_theta is a string, expected a number from 1 to 1e15"
    ),
    ("llama", #""partial_rotary_factor":0.5"#, "partial_rotary_factor 0.5 is not supported; supported: 1"),
  ]

  @Test(arguments: wrong) func aWrongFieldIsNamed(_ family: String, _ members: String, _ sentence: String) {
    expectError("config.json:1: " + sentence) {
      _ = try ModelConfig(json: "{\"model_type\":\"\(family)\",\(members)}")
    }
  }

  @Test(arguments: [
    ("{}", "model_type is missing, expected one of bert, roberta, gpt2, llama"),
    (#"{"model_type":null}"#, "model_type is missing, expected one of bert, roberta, gpt2, llama"),
    (#"{"model_type":7}"#, "model_type is a whole number, expected a string"),
    (#"{"model_type":"t5"}"#, #"model_type "t5" is not supported; supported: bert, roberta, gpt2, llama"#),
  ]) func onlyFourFamiliesAreKnown(_ json: String, _ sentence: String) {
    expectError("config.json:1: " + sentence) { _ = try ModelConfig(json: json) }
  }

  @Test func whatIsNoObjectIsNoConfig() {
    do {
      _ = try ModelConfig(json: "\n[]")
      Issue.record("a list was accepted")
    } catch {
      #expect("\(error)".hasPrefix("config.json:2: a model's config is an object, this is a list"))
    }
  }

  @Test func allFaultsAreReportedWithTheirLines() {
    let json = """
      {
        "hidden_size": "big",
        "model_type": "bert",
        "layer_norm_eps": [],
        "is_decoder": true
      }
      """
    let message = """
      config.json:2: hidden_size is a string, expected a whole number
      config.json:4: layer_norm_eps is a list, expected a number
      config.json:5: is_decoder true is not supported; supported: false
      """
    expectError(message) { _ = try ModelConfig(json: json) }
  }
}
