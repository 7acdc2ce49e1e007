import Checkpoints
import Models
import Testing

@testable import Training

/// A tokenizer of another model's would otherwise end the program in the middle of a step.
@Suite struct EncodingFitTests {
  private let config: ModelConfig

  init() throws {
    config = try ModelConfig(json: #"{"model_type": "roberta", "vocab_size": 10, "type_vocab_size": 1}"#)
  }

  private func data(_ ids: [Int32], types: [Int32]) -> EncodedDataset {
    EncodedDataset(items: [
      EncodedDataset.Item(ids: [1], typeIDs: [0], label: nil),
      EncodedDataset.Item(ids: ids, typeIDs: types, label: nil),
    ])
  }

  @Test func takesWhatTheModelHasEmbeddingsFor() throws {
    try data([9, 0], types: [0, 0]).requireFit(config, path: "m")
  }

  @Test func refusesTypesAndEmptyTextsThatTheModelCannotRead() {
    #expect(throws: EncodingError.typeOutsideModel(type: 1, types: 1, path: "m")) {
      try data([1, 2], types: [0, 1]).requireFit(config, path: "m")
    }
    #expect(throws: EncodingError.noTokens(example: 1, path: "m")) {
      try data([], types: []).requireFit(config, path: "m")
    }
  }
}
