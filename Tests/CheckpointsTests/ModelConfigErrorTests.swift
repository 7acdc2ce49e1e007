import Checkpoints
import Diagnostics
import Models
import Testing

@Suite struct ModelConfigErrorTests {
  /// Family, members, the sentence after `config.json:1: `.
  static let wrong: [(String, String, String)] = [
    ("bert", #""hidden_size":"8""#, "hidden_size: must be a whole number, not a string"),
    ("bert", #""hidden_size":8.5"#, "hidden_size: must be a whole number, not a number"),
    ("bert", #""hidden_size":null"#, "hidden_size: must be a whole number, not null"),
    ("bert", #""hidden_size":0"#, "hidden_size: must be from 1 to 65536, not 0"),
    ("bert", #""vocab_size":-1"#, "vocab_size: must be from 1 to 16777216, not -1"),
    ("bert", #""vocab_size":9223372036854775807"#, "vocab_size: must be from 1 to 16777216, not 9223372036854775807"),
    ("bert", #""vocab_size":1e300"#, "vocab_size: must be a whole number, not a number"),
    ("bert", #""num_hidden_layers":1025"#, "num_hidden_layers: must be from 1 to 1024, not 1025"),
    ("bert", #""num_attention_heads":7"#, "num_attention_heads: must be a divisor of hidden_size (768), not 7"),
    ("bert", #""intermediate_size":1048577"#, "intermediate_size: must be from 1 to 1048576, not 1048577"),
    (
      "bert", #""max_position_embeddings":16777217"#,
      "max_position_embeddings: must be from 1 to 16777216, not 16777217"
    ),
    ("bert", #""type_vocab_size":0"#, "type_vocab_size: must be from 1 to 65536, not 0"),
    ("bert", #""layer_norm_eps":"1e-12""#, "layer_norm_eps: must be a number, not a string"),
    ("bert", #""layer_norm_eps":-1"#, "layer_norm_eps: must be from 0.0 to 1.0, not -1.0"),
    ("bert", #""hidden_dropout_prob":1.0"#, "hidden_dropout_prob: must be below 1, not 1.0"),
    ("bert", #""hidden_dropout_prob":-0.1"#, "hidden_dropout_prob: must be from 0.0 to 1.0, not -0.1"),
    ("bert", #""classifier_dropout":true"#, "classifier_dropout: must be a number, not true or false"),
    ("bert", #""tie_word_embeddings":1"#, "tie_word_embeddings: must be true or false, not a whole number"),
    ("bert", #""pad_token_id":30522"#, "pad_token_id: must be below vocab_size (30522), not 30522"),
    ("bert", #""eos_token_id":["a"]"#, "eos_token_id[0]: must be a whole number, not a string"),
    ("bert", #""is_decoder":true"#, "is_decoder: true is not supported; supported: false"),
    ("bert", #""add_cross_attention":true"#, "add_cross_attention: true is not supported; supported: false"),
    ("bert", #""is_encoder_decoder":true"#, "is_encoder_decoder: true is not supported; supported: false"),
    (
      "bert", #""position_embedding_type":"relative_key""#,
      #"position_embedding_type: "relative_key" is not supported; supported: "absolute""#
    ),
    (
      "bert", #""pruned_heads":{"0":[1]}"#,
      "pruned_heads: an object is not supported; supported: models without it"
    ),
    (
      "llama", #""quantization_config":{"bits":4}"#,
      "quantization_config: an object is not supported; supported: models without it"
    ),
    ("bert", #""hidden_act":3"#, "hidden_act: must be a string, not a whole number"),
    (
      "bert", #""hidden_act":"gelu_10""#,
      #"hidden_act: "gelu_10" is not supported; supported: gelu, gelu_accurate, gelu_fast, gelu_new, gelu_python, "#
        + "gelu_python_tanh, gelu_pytorch_tanh, mish, quick_gelu, relu, relu2, silu, swish, tanh"
    ),
    (
      "bert", #""problem_type":"ranking""#,
      "problem_type: must be one of regression, single_label_classification, multi_label_classification, "
        + "not \"ranking\""
    ),
    ("bert", #""num_labels":0"#, "num_labels: must be from 1 to 65536, not 0"),
    (
      "roberta", #""pad_token_id":null"#,
      "pad_token_id: roberta needs a padding token, after whose number its positions begin"
    ),
    (
      "roberta", #""pad_token_id":-1"#,
      "pad_token_id: roberta needs a padding token, after whose number its positions begin"
    ),
    ("roberta", #""pad_token_id":"1""#, "pad_token_id: must be a whole number, not a string"),
    (
      "roberta", #""max_position_embeddings":2"#,
      "max_position_embeddings: 2 leaves no position after pad_token_id (1)"
    ),
    ("gpt2", #""n_head":5"#, "n_head: must be a divisor of n_embd (768), not 5"),
    ("gpt2", #""n_inner":0"#, "n_inner: must be from 1 to 1048576, not 0"),
    (
      "gpt2", #""scale_attn_by_inverse_layer_idx":true"#,
      "scale_attn_by_inverse_layer_idx: true is not supported; supported: false"
    ),
    ("gpt2", #""scale_attn_weights":false"#, "scale_attn_weights: false is not supported; supported: true"),
    ("llama", #""num_key_value_heads":5"#, "num_key_value_heads: must be a divisor of num_attention_heads (32), not 5"),
    ("llama", #""head_dim":63"#, "head_dim: a head has 63 numbers; rotary embeddings need an even number"),
    ("llama", #""head_dim":4097"#, "head_dim: must be from 1 to 4096, not 4097"),
    ("llama", #""rope_theta":0"#, "rope_theta: must be from 1.0 to 1000000000000000.0, not 0.0"),
    ("llama", #""rope_scaling":3"#, "rope_scaling: must be an object, not a whole number"),
    ("llama", #""rope_scaling":{"type":3}"#, "rope_scaling.type: must be a string, not a whole number"),
    (
      "llama", #""rope_parameters":{"rope_theta":"x"}"#,
      "rope_parameters.rope_theta: must be a number, not a string"
    ),
    ("llama", #""partial_rotary_factor":0.5"#, "partial_rotary_factor: 0.5 is not supported; supported: 1"),
  ]

  /// A model whose labels nobody asks for can be used; what needs their names throws the problem.
  @Test(arguments: [
    (#""id2label":[]"#, "id2label: must be an object, not a list"),
    (#""id2label":{"1":"a"}"#, "id2label: must give each of the classes 0 to 0 one name"),
    (#""id2label":{"0":"a","00":"b"}"#, "id2label: must give each of the classes 0 to 1 one name"),
    (#""id2label":{"0":"a","x":"b"}"#, "id2label: must give each of the classes 0 to 1 one name"),
    (#""id2label":{"0":1}"#, "id2label: must give each of the classes 0 to 0 one name"),
    (#""label2id":{"a":0,"b":0}"#, "label2id: must give each of the classes 0 to 1 one name"),
  ]) func oddLabelsAreKeptAsAProblem(_ member: String, _ sentence: String) throws {
    let config = try ModelConfig(json: "{\"model_type\":\"bert\",\(member)}")
    #expect(config.labelProblem?.description == "config.json:1: " + sentence)
    #expect(config.labels == nil)
  }

  @Test(arguments: wrong) func aWrongFieldIsNamed(_ family: String, _ members: String, _ sentence: String) {
    expectError("config.json:1: " + sentence) {
      _ = try ModelConfig(json: "{\"model_type\":\"\(family)\",\(members)}")
    }
  }

  @Test(arguments: [
    ("{}", "model_type: is missing; expected one of: "),
    (#"{"model_type":null}"#, "model_type: is missing; expected one of: "),
    (#"{"model_type":"nonsense"}"#, #"model_type: "nonsense" is not supported. Supported: "#),
    (#"{"model_type":"qwen"}"#, #"model_type: "qwen" is not supported, did you mean qwen2? Supported: "#),
  ]) func familiesAreListed(_ json: String, _ sentence: String) {
    func names(_ areDecoders: Bool) -> String {
      Architecture.all.filter { $0.isDecoder == areDecoders }.map(\.modelType).joined(separator: ", ")
    }
    expectError("config.json:1: \(sentence)encoders \(names(false)); decoders \(names(true))") {
      _ = try ModelConfig(json: json)
    }
  }

  @Test func aFamilyIsNamedByAString() {
    expectError("config.json:1: model_type: must be a string, not a whole number") {
      _ = try ModelConfig(json: #"{"model_type":7}"#)
    }
  }

  @Test func whatIsNoObjectIsNoConfig() {
    do {
      _ = try ModelConfig(json: "\n[]")
      Issue.record("a list was accepted")
    } catch {
      #expect("\(error)".hasPrefix("config.json:2: must be an object, not a list"))
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
      config.json:2: hidden_size: must be a whole number, not a string
      config.json:4: layer_norm_eps: must be a number, not a list
      config.json:5: is_decoder: true is not supported; supported: false
      """
    expectError(message) { _ = try ModelConfig(json: json) }
  }
}
