import Checkpoints
import Foundation
import Models
import Testing

private let directory = ProcessInfo.processInfo.environment["MINILM_DIR"]

@Suite(.enabled(if: directory != nil, "set MINILM_DIR to the directory of all-MiniLM-L6-v2")) struct MiniLMTests {
  @Test func theModelIsWhole() throws {
    let path = try #require(directory)
    let config = try ModelConfig(directory: path)
    #expect(config.modelType == "bert" && config.layers == 6 && config.hiddenSize == 384 && config.heads == 12)
    let weights = try WeightFiles(path: path, basePrefix: "bert")
    var wanted: [(name: String, shape: [Int])] = [
      ("bert.embeddings.word_embeddings.weight", [config.vocabularySize, config.hiddenSize]),
      ("embeddings.position_embeddings.weight", [config.maxPositions, config.hiddenSize]),
      ("embeddings.token_type_embeddings.weight", [config.typeVocabularySize, config.hiddenSize]),
      ("embeddings.LayerNorm.weight", [config.hiddenSize]),
    ]
    for layer in 0..<config.layers {
      wanted.append(("encoder.layer.\(layer).attention.self.query.weight", [config.hiddenSize, config.hiddenSize]))
      wanted.append(("encoder.layer.\(layer).output.dense.weight", [config.hiddenSize, config.intermediateSize]))
    }
    let tensors = try weights.tensors(wanted)
    #expect(tensors.count == wanted.count)
    try weights.refuseNonFinite(tensors)
    // A stray that older transformers saved: there, and no obstacle.
    #expect(weights.info("embeddings.position_ids").map { $0.type == nil } == true)
  }
}
