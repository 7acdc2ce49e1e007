import Foundation

/// The frequencies of a rotary embedding, one for each pair of a head's numbers that positions turn.
public struct RotaryFrequencies: Sendable, Equatable {
  /// The fastest first. Fewer than half a head turn only the head's first numbers.
  public let values: [Float]
  /// A factor on cosines and sines: YaRN's and LongRoPE's attention factor.
  public let amplitude: Float

  /// Frequencies.
  public init(values: [Float], amplitude: Float = 1) { (self.values, self.amplitude) = (values, amplitude) }
}

/// A rotary embedding (Su et al., arXiv 2104.09864) with its scaling to longer texts, in float32 as transformers computes
/// it (modeling_rope_utils.py).
///
/// Two scalings have other frequencies for long sequences. Each sequence's own length decides, as in transformers for a
/// batch of that sequence alone: beside longer ones, transformers would take the longest's frequencies for all.
public struct RotaryEmbedding: Sendable, Equatable {
  /// What sequences beyond a length have.
  public enum Growth: Sendable, Equatable {
    /// Frequencies of their own (LongRoPE, arXiv 2402.13753).
    case fixed([Float], beyond: Int)
    /// Those of a base that grows with the length ("dynamic NTK").
    case dynamic(base: Float, factor: Float, beyond: Int)
  }

  /// The frequencies of sequences that are not long.
  public let usual: RotaryFrequencies
  /// What long sequences have instead; nil if the length does not matter.
  public let growth: Growth?

  /// An embedding.
  public init(_ usual: RotaryFrequencies, growth: Growth? = nil) { (self.usual, self.growth) = (usual, growth) }

  /// The frequencies θ^(−2i/D) of `size` turned numbers, unscaled.
  public static func plain(theta: Double, size: Int) -> [Float] {
    stride(from: 0, to: size, by: 2).map { pow(Float(theta), -Float($0) / Float(size)) }
  }

  /// Sequences of more tokens have other frequencies; nil if there are none such.
  public var usualLength: Int? {
    switch growth {
    case nil: nil
    case .fixed(_, let length), .dynamic(_, _, let length): length
    }
  }

  /// The frequencies of a sequence of `length` tokens.
  public func frequencies(length: Int) -> RotaryFrequencies {
    guard let growth, let usualLength, length > usualLength else { return usual }
    switch growth {
    case .fixed(let values, _): return RotaryFrequencies(values: values, amplitude: usual.amplitude)
    case .dynamic(let base, let factor, let positions):
      let size = 2 * usual.values.count
      let stretch = factor * Float(length) / Float(positions) - (factor - 1)
      let theta = base * pow(stretch, Float(Double(size) / Double(size - 2)))
      return RotaryFrequencies(values: Self.plain(theta: Double(theta), size: size), amplitude: usual.amplitude)
    }
  }
}
