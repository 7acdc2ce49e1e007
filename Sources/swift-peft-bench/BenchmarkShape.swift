import Adapters
import ArgumentParser
import Checkpoints
import Foundation
import Kernels
import Models

/// The sizes of a model that benchmarks make of random numbers.
enum BenchmarkShape: String, ExpressibleByArgument, CaseIterable {
  case base, minilm, smollm2

  var isDecoder: Bool { self == .smollm2 }

  /// The maps with adapters.
  var targets: TargetSelection {
    isDecoder
      ? TargetSelection(["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"])
      : TargetSelection(["query", "value"])
  }

  /// A `config.json` of this shape: RoBERTa's with the dropout 0.1 of `RobertaConfig`, or LLaMA's.
  private var configText: String {
    switch self {
    case .base: roberta(hidden: 768, layers: 12, wide: 3072, vocabulary: 50265)
    case .minilm: roberta(hidden: 384, layers: 6, wide: 1536, vocabulary: 30522)
    case .smollm2:
      """
      {"model_type": "llama", "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9,
       "num_key_value_heads": 3, "intermediate_size": 1536, "vocab_size": 49152, "max_position_embeddings": 8192,
       "rms_norm_eps": 1e-5, "rope_theta": 100000, "tie_word_embeddings": true, "hidden_act": "silu"}
      """
    }
  }

  private func roberta(hidden: Int, layers: Int, wide: Int, vocabulary: Int) -> String {
    """
    {"model_type": "roberta", "hidden_size": \(hidden), "num_hidden_layers": \(layers), "num_attention_heads": 12,
     "intermediate_size": \(wide), "vocab_size": \(vocabulary), "max_position_embeddings": 514, "type_vocab_size": 1,
     "pad_token_id": 1, "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1}
    """
  }

  /// Writes a random checkpoint of the shape, unless an earlier run has.
  func model() throws -> (directory: String, config: ModelConfig) {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("swift-peft-bench-\(rawValue)").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try AtomicFile.write(configText, to: "\(directory)/config.json")
    let config = try ModelConfig(directory: directory), file = "\(directory)/model.safetensors"
    if !FileManager.default.fileExists(atPath: file) {
      let philox = Philox(seed: 7), parts = ModelGeometry(config).parts.filter { !$0.isOptional }
      let tensors = parts.flatMap(\.namedTensors).enumerated().map { index, tensor in
        let count = tensor.shape.reduce(1, *), isNorm = tensor.shape.count == 1 && tensor.name.hasSuffix(".weight")
        let values =
          isNorm ? [Float](repeating: 1, count: count) : philox.uniform(count, bound: 0.035, stream: UInt64(index))
        return SafetensorsTensor(name: tensor.name, shape: tensor.shape, values)
      }
      try SafetensorsWriter.write(tensors, to: file)
    }
    return (directory, config)
  }
}
