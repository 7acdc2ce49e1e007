import Autograd
import Checkpoints
import Kernels

/// A checkpoint's tensors by transformers' names, checked for shape, and the numbers of its linear maps.
struct ModelWeights {
  let config: ModelConfig
  /// What products multiply: matrices of linear maps are held so.
  let precision: Precision
  private let tensors: [String: FrozenTensor]
  private let sites: [String: Int]

  init(config: ModelConfig, precision: Precision, tensors: [String: FrozenTensor], sites: [String: Int]) {
    self.config = config
    self.precision = precision
    self.sites = sites
    var tensors = tensors
    if precision == .bfloat16 {
      let names = sites.keys.map { $0 + ".weight" }.filter { tensors[$0].map { !$0.isBFloat16 } ?? false }.sorted()
      let rounded = FrozenTensor.bfloat16Copies(names.compactMap { tensors[$0] })
      tensors.merge(zip(names, rounded)) { $1 }
    }
    self.tensors = tensors
  }

  /// A tensor that `EncoderShapes` lists; asking for another is a defect of a family's file.
  subscript(name: String) -> FrozenTensor {
    guard let tensor = tensors[name] else { preconditionFailure("\(name) is not among the family's tensors") }
    return tensor
  }

  func linear(_ path: String) -> LinearSlot {
    guard let site = sites[path] else { preconditionFailure("\(path) is not among the family's linear maps") }
    return LinearSlot(
      linear: FrozenLinear(weight: self[path + ".weight"], bias: self[path + ".bias"].inFloat32()),
      site: site)
  }

  func layerNorm(_ path: String) -> LayerNormWeights {
    LayerNormWeights(
      gamma: self[path + ".weight"].inFloat32(), beta: self[path + ".bias"].inFloat32(), epsilon: config.normEpsilon)
  }
}

extension FrozenTensor {
  /// This tensor, widened once where it is small and used in float32 everywhere (biases, norms).
  func inFloat32() -> FrozenTensor { elementType == .float32 ? self : FrozenTensor(floats(), shape: shape) }
}

/// The frozen tensors of BERT and RoBERTa, by transformers' names without the base model's prefix.
public enum EncoderShapes {
  /// Every tensor that both families have.
  public static func all(_ config: ModelConfig) -> [(name: String, shape: [Int])] {
    let hidden = config.hiddenSize, wide = config.intermediateSize
    var tensors: [(name: String, shape: [Int])] = [
      ("embeddings.word_embeddings.weight", [config.vocabularySize, hidden]),
      ("embeddings.position_embeddings.weight", [config.maxPositions, hidden]),
      ("embeddings.token_type_embeddings.weight", [config.typeVocabularySize, hidden]),
      ("embeddings.LayerNorm.weight", [hidden]),
      ("embeddings.LayerNorm.bias", [hidden]),
    ]
    func linear(_ path: String, _ out: Int, _ input: Int) {
      tensors += [(path + ".weight", [out, input]), (path + ".bias", [out])]
    }
    for layer in 0..<config.layers {
      let path = "encoder.layer.\(layer)."
      for name in ["query", "key", "value"] { linear(path + "attention.self." + name, hidden, hidden) }
      linear(path + "attention.output.dense", hidden, hidden)
      tensors += [
        (path + "attention.output.LayerNorm.weight", [hidden]), (path + "attention.output.LayerNorm.bias", [hidden]),
      ]
      linear(path + "intermediate.dense", wide, hidden)
      linear(path + "output.dense", hidden, wide)
      tensors += [(path + "output.LayerNorm.weight", [hidden]), (path + "output.LayerNorm.bias", [hidden])]
    }
    return tensors
  }

  /// BERT's pooler, which a checkpoint may lack.
  static func pooler(_ config: ModelConfig) -> [(name: String, shape: [Int])] {
    [("pooler.dense.weight", [config.hiddenSize, config.hiddenSize]), ("pooler.dense.bias", [config.hiddenSize])]
  }
}
