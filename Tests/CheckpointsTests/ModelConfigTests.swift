import Checkpoints
import Diagnostics
import Foundation
import Kernels
import Models
import StrictJSON
import Testing

@Suite struct ModelConfigTests {
  // The defaults below were printed by transformers 5.23 (BertConfig(), RobertaConfig(), …).

  @Test func bertsDefaultsAreThoseOfTransformers() throws {
    let config = try ModelConfig(json: #"{"model_type":"bert"}"#)
    #expect(config.modelType == "bert" && config.vocabularySize == 30_522 && config.hiddenSize == 768)
    #expect(config.layers == 12 && config.heads == 12 && config.keyValueHeads == 12 && config.headSize == 64)
    #expect(config.intermediateSize == 3072 && config.maxPositions == 512 && config.maximumSequenceLength == 512)
    #expect(config.typeVocabularySize == 2 && config.activation == .gelu && config.normEpsilon == 1e-12)
    #expect(config.hiddenDropout == 0.1 && config.attentionDropout == 0.1 && config.embeddingDropout == 0.1)
    #expect(config.classifierDropout == nil && config.padTokenID == 0 && config.initializerRange == 0.02)
    #expect(config.bosTokenID == nil && config.eosTokenID == nil && config.tieWordEmbeddings)
    #expect(config.labels == nil && config.labelCount == nil && config.problemType == nil)
  }

  @Test func robertasDefaultsAreThoseOfTransformers() throws {
    let config = try ModelConfig(json: #"{"model_type":"roberta","max_position_embeddings":514}"#)
    #expect(config.modelType == "roberta" && config.vocabularySize == 50_265 && config.padTokenID == 1)
    #expect(config.bosTokenID == 0 && config.eosTokenID == 2 && config.normEpsilon == 1e-12)
    #expect(config.maxPositions == 514 && config.maximumSequenceLength == 512)
  }

  @Test func gpt2sDefaultsAreThoseOfTransformers() throws {
    let config = try ModelConfig(json: #"{"model_type":"gpt2","n_inner":null}"#)
    #expect(config.vocabularySize == 50_257 && config.hiddenSize == 768 && config.layers == 12 && config.heads == 12)
    #expect(config.intermediateSize == 3072 && config.maxPositions == 1024 && config.typeVocabularySize == 0)
    #expect(config.activation == .geluTanh && config.normEpsilon == 1e-5 && config.padTokenID == nil)
    #expect(config.embeddingDropout == 0.1 && config.hiddenDropout == 0.1 && config.attentionDropout == 0.1)
    #expect(config.bosTokenID == 50_256 && config.eosTokenIDs == [50_256] && config.tieWordEmbeddings)
  }

  @Test func llamasDefaultsAreThoseOfTransformers() throws {
    let config = try ModelConfig(json: #"{"model_type":"llama"}"#)
    #expect(config.vocabularySize == 32_000 && config.hiddenSize == 4096 && config.layers == 32 && config.heads == 32)
    #expect(config.keyValueHeads == 32 && config.headSize == 128 && config.intermediateSize == 11_008)
    #expect(config.maxPositions == 2048 && config.activation == .silu && config.normEpsilon == 1e-6)
    #expect(config.hiddenDropout == 0 && config.attentionDropout == 0 && config.embeddingDropout == 0)
    #expect(config.padTokenID == nil && config.bosTokenID == 1 && config.eosTokenIDs == [2])
    #expect(!config.tieWordEmbeddings && config.design.biases == [])
    #expect(config.design.rotary.count == 32 && config.design.rotary[0] == Self.plain(theta: 10_000, size: 128))
  }

  @Test func gpt2sOwnNamesAndTheCommonOnesAreRead() throws {
    let own = #"{"model_type":"gpt2","n_embd":8,"n_layer":3,"n_head":2,"n_positions":16,"n_inner":20,"embd_pdrop":0,"#
    let config = try ModelConfig(json: own + #""resid_pdrop":0.25,"attn_pdrop":0.5,"vocab_size":9}"#)
    #expect(config.hiddenSize == 8 && config.layers == 3 && config.heads == 2 && config.headSize == 4)
    #expect(config.maxPositions == 16 && config.intermediateSize == 20 && config.vocabularySize == 9)
    #expect(config.embeddingDropout == 0 && config.hiddenDropout == 0.25 && config.attentionDropout == 0.5)
    let common = #"{"model_type":"gpt2","hidden_size":8,"num_hidden_layers":3,"num_attention_heads":2}"#
    #expect(try ModelConfig(json: common).intermediateSize == 32)
  }

  @Test func llama3IsReadInBothWritings() throws {
    let head = """
      {"model_type":"llama","hidden_size":2048,"num_attention_heads":32,"num_key_value_heads":8,"head_dim":64,
      "eos_token_id":[128001,128008],"pad_token_id":-1,
      """
    let numbers = #""factor":32.0,"low_freq_factor":1.0,"high_freq_factor":4.0,"rope_type":"llama3""#
    let old = #""rope_theta":500000.0,"rope_scaling":{\#(numbers)}}"#
    let new = #""rope_parameters":{"rope_theta":500000.0,\#(numbers)}}"#
    for tail in [old, new] {
      let config = try ModelConfig(json: head + tail)
      #expect(config.keyValueHeads == 8 && config.headSize == 64)
      #expect(config.eosTokenIDs == [128_001, 128_008] && config.eosTokenID == 128_001 && config.padTokenID == nil)
      let rotary = config.design.rotary[0], plain = RotaryEmbedding.plain(theta: 500_000, size: 64)
      #expect(rotary?.usual.values.first == 1 && rotary?.usual.values.last == plain[31] / 32)
    }
    let plain = try ModelConfig(json: head + #""rope_parameters":{"rope_theta":1000.0,"rope_type":"default"}}"#)
    #expect(plain.design.rotary[0] == Self.plain(theta: 1000, size: 64))
  }

  private static func plain(theta: Double, size: Int) -> RotaryEmbedding {
    RotaryEmbedding(RotaryFrequencies(values: RotaryEmbedding.plain(theta: theta, size: size)))
  }

  @Test func labelsAreInTheOrderOfTheirNumbers() throws {
    let order = #"{"model_type":"bert","id2label":{"10":"k","2":"c","0":"a","1":"b","3":"d","4":"e","5":"f","6":"g","#
    let config = try ModelConfig(json: order + #""7":"h","8":"i","9":"j"},"label2id":{"LABEL_0":0}}"#)
    #expect(config.labels == ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] && config.labelCount == 11)
    let other = try ModelConfig(json: #"{"model_type":"bert","label2id":{"no":1,"yes":0}}"#)
    #expect(other.labels == ["yes", "no"])
    let counted = try ModelConfig(json: #"{"model_type":"bert","num_labels":3,"id2label":null}"#)
    #expect(counted.labels == nil && counted.labelCount == 3)
  }

  @Test func unknownKeysAndNullsAreNoMistake() throws {
    let json = """
      {"model_type":"bert","architectures":["BertModel"],"gradient_checkpointing":false,"pruned_heads":{},"torch_dtype":
      "float32","classifier_dropout":null,"pad_token_id":null,"position_embedding_type":null,"id2label":null,
      "quantization_config":null,"is_decoder":false,"transformers_version":"4.8.2","problem_type":null}
      """
    #expect(try ModelConfig(json: json).padTokenID == nil)
  }

  @Test func everyActivationNameMeansAFunction() throws {
    for name in Activation.names {
      #expect(try ModelConfig(json: #"{"model_type":"bert","hidden_act":"\#(name)"}"#).activation.rawValue != "")
    }
    #expect(Activation(name: "swish") == .silu && Activation(name: "gelu_python") == .gelu)
    #expect(Activation(name: "gelu_pytorch_tanh") == .geluTanh && Activation(name: "GELU") == nil)
  }

  @Test func missingAndBrokenFilesAreTold() throws {
    let scratch = try Scratch()
    expectError(scratch.path + "/config.json: No such file or directory", status: .missingInput) {
      _ = try ModelConfig(directory: scratch.path)
    }
    _ = try scratch.file("config.json", "{\n\"model_type\": bert}")
    expectError(scratch.path + "/config.json:2:15: expected a value") { _ = try ModelConfig(directory: scratch.path) }
  }
}
