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
