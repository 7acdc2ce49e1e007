import Foundation
import StrictJSON

/// The D/2 frequencies of a rotary embedding, θ^(−2i/D), scaled as the model's config says.
///
/// In float32, as transformers computes them (modeling_rope_utils.py).
public struct RotaryFrequencies: Sendable, Equatable {
  /// One for each pair of a head's numbers, the fastest first.
  public let values: [Float]

  /// Frequencies of one's own.
  public init(values: [Float]) { self.values = values }

  /// The frequencies that a config gives. Throws `ModelError` if there is no code for its scaling.
  public init(_ config: ModelConfig) throws {
    let size = config.headSize
    let plain = stride(from: 0, to: size, by: 2).map { pow(Float(config.ropeTheta), -Float($0) / Float(size)) }
    guard let scaling = config.ropeScaling else {
      values = plain
      return
    }
    let type = scaling["rope_type"]?.string ?? scaling["type"]?.string ?? "default"
    func number(_ name: String) throws -> Float {
      guard let value = scaling[name]?.number, value > 0, value.isFinite else {
        throw ModelError.badRotaryScaling(type: type, missing: name, file: config.file)
      }
      return Float(value)
    }
    switch type {
    case "linear":
      let factor = try number("factor")
      values = plain.map { $0 / factor }
    case "llama3":
      let factor = try number("factor"), low = try number("low_freq_factor"), high = try number("high_freq_factor")
      let length = try number("original_max_position_embeddings")
      values = plain.map { frequency in
        let wavelength = 2 * Float.pi / frequency
        if wavelength > length / low { return frequency / factor }
        if wavelength < length / high { return frequency }
        let smooth = (length / wavelength - low) / (high - low)
        return (1 - smooth) * frequency / factor + smooth * frequency
      }
    default: throw ModelError.unsupportedRotaryScaling(type, file: config.file)
    }
  }
}
