import Diagnostics
import Models
import Testing

/// Every case of `ModelError`, by its whole sentence.
@Suite struct ModelErrorTests {
  static let errors: [(ModelError, String)] = [
    (
      .notALanguageModel(modelType: "bert", supported: ["gpt2", "llama"], path: "models/x"),
      "models/x: a bert model cannot generate text; supported: gpt2, llama"
    ),
    (
      .noTokenHead(modelType: "granite", supported: ["bert", "llama"], path: "models/x"),
      "models/x: transformers has no granite model for token classification; supported: bert, llama"
    ),
    (
      .tokenOutsideVocabulary(id: 30_522, vocabulary: 30_522, path: "models/x"),
      "models/x: the tokenizer gives the id 30522, but the model has embeddings for 0 to 30521 only"
    ),
    (
      .tooLong(tokens: 600, limit: 512, path: "models/x"),
      "task.max_seq_length: 600 tokens are more than the 512 that the model in models/x has positions for"
    ),
  ]

  @Test(arguments: errors) func sentences(error: ModelError, sentence: String) {
    #expect(error.description == sentence)
    #expect(error.exitStatus == .badInput)
  }

  @Test func theyAreThrownWhereTheyAreMeant() throws {
    let bert = try ModelConfig(json: #"{"model_type":"bert"}"#)
    #expect(throws: ModelError.tokenOutsideVocabulary(id: -1, vocabulary: 30_522, path: "x")) {
      try bert.check(ids: [5, -1], path: "x")
    }
    #expect(
      ModelError.notADecoder(bert, path: "x")
        == .notALanguageModel(
          modelType: "bert", supported: Architecture.all.filter(\.isDecoder).map(\.modelType), path: "x"))
  }
}
