import Foundation
import StrictJSON

// Which members count, their defaults and all formulas: transformers 5.23, modeling_rope_utils.py.

/// What a family's rotary embedding has by default and allows.
public struct RotaryRules: Sendable {
  /// The base wavelength of configs that give none.
  public var theta = 10_000.0
  /// Whether `partial_rotary_factor` may leave some of a head's numbers unturned.
  public var isPartial = false
  /// `original_max_position_embeddings` of configs that give none; nil: `max_position_embeddings`.
  public var original: Int?
  /// The scalings by their names in a config.
  public var types = Dictionary(uniqueKeysWithValues: RotaryReader.types.map { ($0, $0) })

  /// LLaMA's rules, but for `theta`.
  public init(theta: Double = 10_000) { self.theta = theta }
}

extension ModelConfig {
  /// The rotary embedding of every layer, from `rope_parameters`, or from the older `rope_scaling` and `rope_theta`.
  public mutating func readRotary(
    _ fields: inout JSONObjectReader, _ rules: RotaryRules = RotaryRules()
  ) -> [RotaryEmbedding?] {
    let (size, positions) = (headSize, maxPositions)
    let embedding = fields.whole { config in
      let old = try config.optional("rope_scaling").flatMap { try $0.object().count > 0 ? $0 : nil }
      let parameters = try old ?? config.optional("rope_parameters")
      if let nested = try parameters?.members().first(where: { $0.field.node.object != nil }) {
        throw nested.field.error("this family has the same rotary embedding in all layers")
      }
      var rules = rules
      if let theta = try config.optional("rope_theta") { rules.theta = try theta.number(in: RotaryReader.thetas) }
      // What stands outside goes before what the parameters say.
      let original = try config.optional("original_max_position_embeddings")?.integer(in: Bounds.positions)
      return try RotaryReader(
        parameters, rules, original: original ?? rules.original, part: config.optional("partial_rotary_factor"),
        headSize: size, positions: positions
      ).read()
    }
    lengthen(for: embedding)
    return Array(repeating: embedding, count: layers)
  }

  /// The rotary embeddings of a family that has one for layers with windows and another for the others: each kind has
  /// its own `rope_parameters`. Older configs scale only the others, and keep the bases in `rope_theta` and
  /// `rope_local_base_freq`, or in keys of the family's own.
  public mutating func readRotary(
    _ fields: inout JSONObjectReader, sliding: [Bool], theta: Double, slidingTheta: Double,
    keys: (full: String, sliding: String) = ("rope_theta", "rope_local_base_freq")
  ) -> [RotaryEmbedding?] {
    let (size, positions) = (headSize, maxPositions)
    let kinds = fields.whole { config in
      let parameters = try config.optional("rope_parameters")
      try parameters?.requireOnly(["full_attention", "sliding_attention"])
      func embedding(_ kind: String, _ base: String, _ standard: Double, old: JSONField?) throws -> RotaryEmbedding {
        let theta = try config.optional(base)?.number(in: RotaryReader.thetas) ?? standard
        return try RotaryReader(
          old ?? parameters?.optional(kind), RotaryRules(theta: theta), original: nil, part: nil, headSize: size,
          positions: positions
        ).read()
      }
      let old = try config.optional("rope_scaling")
      // transformers leaves a scaling aside whose kind has the oldest name, `type`.
      if let old { _ = try old.member("rope_type") }
      return (
        full: try embedding("full_attention", keys.full, theta, old: old),
        sliding: try embedding("sliding_attention", keys.sliding, slidingTheta, old: nil)
      )
    }
    lengthen(for: kinds?.full)
    return sliding.map { $0 ? kinds?.sliding : kinds?.full }
  }

  /// Dynamic scaling is for texts that are longer than those of training.
  private mutating func lengthen(for embedding: RotaryEmbedding?) {
    guard case .dynamic(_, let factor, let positions) = embedding?.growth else { return }
    maxPositions = Int(min(Double(max(1, factor)) * Double(positions), Double(Bounds.positions.upperBound)))
  }
}

/// Reads the parameters of a rotary embedding. All functions throw `JSONFieldError`.
struct RotaryReader {
  /// The scalings that there is code for.
  static let types = ["default", "linear", "dynamic", "yarn", "llama3", "longrope"]
  static let thetas = 1...1e15

  /// The parameters; nil if there are none.
  private let parameters: JSONField?
  /// The base wavelength.
  private let theta: Double
  private let types: [String: String]
  /// How many of a head's numbers turn.
  private let size: Int
  /// `max_position_embeddings`.
  private let positions: Int
  /// `original_max_position_embeddings` outside the parameters.
  private let original: Int?

  init(
    _ parameters: JSONField?, _ rules: RotaryRules, original: Int?, part: JSONField?, headSize: Int, positions: Int
  ) throws {
    (self.parameters, self.original, self.positions, types) = (parameters, original, positions, rules.types)
    theta = try parameters?.optional("rope_theta")?.number(in: Self.thetas) ?? rules.theta
    guard let part = try parameters?.optional("partial_rotary_factor") ?? part else {
      size = headSize
      return
    }
    let share = try part.number(in: 0...1)
    size = Int(Double(headSize) * share)
    guard share == 1 || rules.isPartial else { throw part.error("\(share) is not supported; supported: 1") }
    guard size > 0, size % 2 == 0 else {
      throw part.error("\(share) turns \(size) of a head's \(headSize) numbers; that must be an even number above 0")
    }
  }

  /// The embedding with the scaling that `rope_type`, or `type` in older configs, names.
  func read() throws -> RotaryEmbedding {
    let embedding = try scaled()
    var values = embedding.usual.values + [embedding.usual.amplitude]
    if case .fixed(let long, _) = embedding.growth { values += long }
    if let parameters, !values.allSatisfy(\.isFinite) {
      throw parameters.error("these numbers make frequencies that are not finite")
    }
    return embedding
  }

  private func scaled() throws -> RotaryEmbedding {
    let plain = RotaryEmbedding.plain(theta: theta, size: size)
    guard let parameters else { return RotaryEmbedding(RotaryFrequencies(values: plain)) }
    guard let type = try parameters.optional("rope_type") ?? parameters.optional("type") else {
      return RotaryEmbedding(RotaryFrequencies(values: plain))
    }
    let name = try type.string()
    switch types[name] {
    case "default": return RotaryEmbedding(RotaryFrequencies(values: plain))
    case "linear":
      let factor = Float(try number("factor"))
      return RotaryEmbedding(RotaryFrequencies(values: plain.map { $0 / factor }))
    case "dynamic":
      let growth = RotaryEmbedding.Growth.dynamic(
        base: Float(theta), factor: Float(try number("factor")), beyond: positions)
      return RotaryEmbedding(RotaryFrequencies(values: plain), growth: growth)
    case "yarn": return try yarn()
    case "llama3": return try llama3(plain)
    case "longrope": return try longrope()
    default:
      let known = types.keys.sorted().joined(separator: ", ")
      throw type.error("\(JSONWriter.quoted(name.clipped)) is not supported; supported: \(known)")
    }
  }

  /// Low frequencies are divided, high ones kept, those between interpolated (LLaMA 3.1).
  private func llama3(_ plain: [Float]) throws -> RotaryEmbedding {
    let factor = Float(try number("factor")), low = Float(try number("low_freq_factor"))
    let high = Float(try number("high_freq_factor")), length = Float(try originalLength())
    let values = plain.map { frequency in
      let wavelength = 2 * Float.pi / frequency
      if wavelength > length / low { return frequency / factor }
      if wavelength < length / high { return frequency }
      let smooth = (length / wavelength - low) / (high - low)
      return (1 - smooth) * frequency / factor + smooth * frequency
    }
    return RotaryEmbedding(RotaryFrequencies(values: values))
  }

  /// YaRN (Peng et al., arXiv 2309.00071): a ramp between divided and kept frequencies, and an attention factor.
  private func yarn() throws -> RotaryEmbedding {
    let length = try originalLength()
    let factor = try optionalNumber("factor") ?? Double(positions) / Double(length)
    func magnitude(_ strength: Double) -> Double { factor <= 1 ? 1 : 0.1 * strength * log(factor) + 1 }
    var amplitude = try optionalNumber("attention_factor")
    if let over = try optionalNumber("mscale"), let under = try optionalNumber("mscale_all_dim"), amplitude == nil {
      amplitude = magnitude(over) / magnitude(under)
    }
    /// The pair of numbers that turns `rotations` times over the original length.
    func place(_ rotations: Double) -> Double {
      Double(size) * log(Double(length) / (rotations * 2 * .pi)) / (2 * log(theta))
    }
    var low = place(try optionalNumber("beta_fast") ?? 32), high = place(try optionalNumber("beta_slow") ?? 1)
    if try parameters?.optional("truncate")?.bool() ?? true { (low, high) = (low.rounded(.down), high.rounded(.up)) }
    (low, high) = (max(low, 0), min(high, Double(size - 1)))
    if low == high { high += 0.001 }
    let values = (0..<size / 2).map { pair in
      let wave = pow(Float(theta), Float(2 * pair) / Float(size))
      let kept = 1 - min(max((Float(pair) - Float(low)) / Float(high - low), 0), 1)
      return 1 / (Float(factor) * wave) * (1 - kept) + 1 / wave * kept
    }
    return RotaryEmbedding(RotaryFrequencies(values: values, amplitude: Float(amplitude ?? magnitude(1))))
  }

  /// LongRoPE (Ding et al., arXiv 2402.13753): a divisor of its own for each frequency, and others for long sequences.
  private func longrope() throws -> RotaryEmbedding {
    let length = try originalLength()
    let factor = try optionalNumber("factor") ?? Double(positions) / Double(length)
    let amplitude =
      try optionalNumber("attention_factor")
      ?? (factor <= 1 ? 1 : (1 + log(factor) / log(Double(length))).squareRoot())
    func frequencies(_ name: String) throws -> [Float] {
      guard let list = try parameters?.member(name) else { return [] }
      let divisors = try list.elements().map { Float(try positive($0)) }
      guard divisors.count == size / 2 else {
        throw list.error(.wrongValue(expected: "a list of \(size / 2) numbers", found: "one of \(divisors.count)"))
      }
      return divisors.enumerated().map { pair, divisor in
        1 / (divisor * pow(Float(theta), Float(2 * pair) / Float(size)))
      }
    }
    return RotaryEmbedding(
      RotaryFrequencies(values: try frequencies("short_factor"), amplitude: Float(amplitude)),
      growth: .fixed(try frequencies("long_factor"), beyond: length))
  }

  /// The longest text of training before the scaling.
  private func originalLength() throws -> Int {
    try original ?? parameters?.optional("original_max_position_embeddings")?.integer(in: ModelConfig.Bounds.positions)
      ?? positions
  }

  private func number(_ name: String) throws -> Double {
    guard let member = try parameters?.member(name) else { return 1 }
    return try positive(member)
  }

  /// Nil if the member is absent, null or 0, which transformers takes for absent.
  private func optionalNumber(_ name: String) throws -> Double? {
    try parameters?.optional(name).flatMap { try $0.number() == 0 ? nil : try positive($0) }
  }

  private func positive(_ field: JSONField) throws -> Double {
    let number = try field.number()
    if number > 0, Float(number).isNormal { return number }
    throw field.error(.wrongValue(expected: "a number above 0 that float32 holds", found: "\(number)"))
  }
}
