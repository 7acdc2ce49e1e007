import Adapters

@testable import Models

/// Sites of a plain stack: every layer has every module, all of one shape each.
func stack(layers: Int, _ modules: [(name: String, inFeatures: Int, outFeatures: Int)]) -> [Site] {
  (0..<layers).flatMap { layer in
    modules.map { module in
      Site(
        layer: layer, module: module.name, path: "encoder.layer.\(layer).\(module.name)",
        inFeatures: module.inFeatures, outFeatures: module.outFeatures,
        isQueryKeyValue: ["query", "key", "value"].contains { module.name.hasSuffix($0) })
    }
  }
}

/// Query and value of a stack with square projections.
func queryValue(layers: Int, hidden: Int) -> [Site] {
  stack(layers: layers, [("attention.self.query", hidden, hidden), ("attention.self.value", hidden, hidden)])
}

/// The maps of published models that counts are known for.
enum Shapes {
  /// Query and value of RoBERTa-base, of RoBERTa-large.
  static let robertaBase = queryValue(layers: 12, hidden: 768)
  static let robertaLarge = queryValue(layers: 24, hidden: 1024)
  /// q_proj and v_proj of Llama-3.2-3B, its keys and values being grouped.
  static let llama32 = stack(layers: 28, [("self_attn.q_proj", 3072, 3072), ("self_attn.v_proj", 3072, 1024)])
  /// All seven maps of a layer of Llama-3.1-8B, of LLaMA-2-7B.
  static let llama31All = llamaLayers(32, hidden: 4096, keyValue: 1024, wide: 14336)
  static let llama2All = llamaLayers(32, hidden: 4096, keyValue: 4096, wide: 11008)
  /// gate_proj, up_proj and down_proj of Llama-3.2-3B.
  static let llama32FeedForward = stack(
    layers: 28, [("mlp.gate_proj", 3072, 8192), ("mlp.up_proj", 3072, 8192), ("mlp.down_proj", 8192, 3072)])

  private static func llamaLayers(_ layers: Int, hidden: Int, keyValue: Int, wide: Int) -> [Site] {
    stack(
      layers: layers,
      [
        ("self_attn.q_proj", hidden, hidden), ("self_attn.k_proj", hidden, keyValue),
        ("self_attn.v_proj", hidden, keyValue), ("self_attn.o_proj", hidden, hidden), ("mlp.gate_proj", hidden, wide),
        ("mlp.up_proj", hidden, wide), ("mlp.down_proj", wide, hidden),
      ])
  }
}

/// A small generator with a seed, so that random tests repeat.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in Float.random(in: -1...1, using: &self) } }
}
