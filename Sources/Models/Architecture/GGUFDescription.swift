import Checkpoints
import Diagnostics
import Kernels
import StrictJSON

/// Why a model cannot be written as a GGUF file.
public enum GGUFModelError: UserFacingError, Equatable {
  /// llama.cpp does not know the family, or this program not its files.
  case otherFamily(String, supported: [String])
  /// Something of the model has no place in the file.
  case noPlace(file: String, what: String)

  /// One exact sentence.
  public var description: String {
    switch self {
    case .otherFamily(let family, let supported):
      "models of the family \(family) cannot be written as GGUF; supported: \(supported.joined(separator: ", "))"
    case .noPlace(let file, let what): "\(file): a GGUF file has no place for \(what)"
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}

/// What a GGUF file says of a model, beside its tokenizer.
public struct GGUFDescription {
  /// The metadata.
  public private(set) var metadata: [(key: String, value: GGUFWriter.Value)] = []
  /// Tensors that stand for parts of the config: divisors of rotary frequencies.
  public private(set) var tensors: [GGUFWriter.Tensor] = []
  private let config: ModelConfig
  private let name: String

  /// The description of the model whose `config.json` has the members of `source`. Throws `GGUFModelError` and
  /// `JSONFieldError`.
  public init(_ config: ModelConfig, source: JSONField) throws {
    guard let family = config.architecture.gguf, family.read != nil else {
      throw GGUFModelError.otherFamily(
        config.modelType, supported: Architecture.all.filter { $0.gguf?.read != nil }.map(\.modelType))
    }
    (self.config, name) = (config, family.name)
    metadata = [("general.architecture", .string(name)), ("general.type", .string("model"))]
    addSizes()
    try addWindows(family)
    try addScales()
    try addRotary(source)
  }

  private mutating func add(_ key: String, _ value: GGUFWriter.Value) { metadata.append(("\(name).\(key)", value)) }

  private func noPlace(_ what: String) -> GGUFModelError { .noPlace(file: config.file, what: what) }

  private mutating func addSizes() {
    func number(_ value: Int) -> GGUFWriter.Value { .uint32(UInt32(clamping: value)) }
    add("block_count", number(config.layers))
    add("context_length", number(config.maxPositions))
    add("embedding_length", number(config.hiddenSize))
    add("feed_forward_length", number(config.intermediateSize))
    add("attention.head_count", number(config.heads))
    add("attention.head_count_kv", number(config.keyValueHeads))
    add("attention.key_length", number(config.headSize))
    add("attention.value_length", number(config.headSize))
    add("attention.layer_norm_rms_epsilon", .float(config.normEpsilon))
    add("vocab_size", number(config.vocabularySize))
  }

  /// Windows, where the family has them.
  private mutating func addWindows(_ family: GGUFFamily) throws {
    let windows = config.design.windows, present = windows.compactMap(\.self)
    guard let slides = family.slides else {
      guard let window = present.first(where: { $0 < config.maxPositions }) else { return }
      throw noPlace("a window of \(window) tokens in the architecture \(name)")
    }
    let usual = (0..<config.layers).map(slides)
    guard Set(present).count <= 1, present.isEmpty ? !usual.contains(false) : windows.map({ $0 != nil }) == usual else {
      throw noPlace("windows in other layers than the architecture \(name) has them")
    }
    // 0 stands for none.
    add("attention.sliding_window", .uint32(UInt32(clamping: present.first ?? 0)))
  }

  private mutating func addScales() throws {
    let design = config.design
    if let cap = design.scoreCap { add("attn_logit_softcapping", .float(cap)) }
    if let cap = design.logitCap { add("final_logit_softcapping", .float(cap)) }
    let usual = 1 / Float(config.headSize).squareRoot(), wide = 1 / Float(config.hiddenSize / config.heads).squareRoot()
    if let scale = design.scoreScale, abs(scale - usual) > 1e-6, abs(scale - wide) > 1e-6 {
      throw noPlace("a factor of \(scale) on the scores of attention")
    }
  }

  // MARK: - Rotary positions

  private mutating func addRotary(_ source: JSONField) throws {
    guard let embedding = config.design.rotary.compactMap(\.self).first, !config.design.rotary.contains(nil) else {
      throw noPlace("layers without rotary positions")
    }
    add("rope.dimension_count", .uint32(UInt32(clamping: 2 * embedding.usual.values.count)))
    let nested = try source.optional("rope_parameters")
    let parameters = try source.optional("rope_scaling") ?? nested?.optional("full_attention") ?? nested
    let theta =
      try parameters?.optional("rope_theta")?.number() ?? nested?.optional("rope_theta")?.number()
      ?? source.optional("rope_theta")?.number() ?? config.architecture.gguf?.theta ?? 10_000
    add("rope.freq_base", .float(Float(theta)))
    try addSlidingBase(nested, source)
    guard let parameters, let type = try parameters.optional("rope_type") ?? parameters.optional("type") else { return }
    switch try type.string() {
    case "default": break
    case "linear":
      add("rope.scaling.type", .string("linear"))
      add("rope.scaling.factor", .float(Float(try parameters.member("factor").number())))
    case "llama3":
      let plain = RotaryEmbedding.plain(theta: theta, size: 2 * embedding.usual.values.count)
      let divisors = zip(plain, embedding.usual.values).map { $0 / $1 }
      tensors.append(GGUFWriter.Tensor(name: "rope_freqs.weight", shape: [divisors.count], divisors))
    case "longrope", "su":
      for (member, name) in [("short_factor", "short"), ("long_factor", "long")] {
        let divisors = try parameters.member(member).elements().map { Float(try $0.number()) }
        tensors.append(GGUFWriter.Tensor(name: "rope_factors_\(name).weight", shape: [divisors.count], divisors))
      }
      add("rope.scaling.attn_factor", .float(embedding.usual.amplitude))
      let key = "original_max_position_embeddings"
      if let original = try source.optional(key) ?? parameters.optional(key) {
        add("rope.scaling.original_context_length", .uint32(UInt32(clamping: try original.integer(atLeast: 1))))
      }
    case let other: throw noPlace("rotary positions of the kind \(other)")
    }
  }

  /// The base of layers with windows, in families that give them one of their own.
  private mutating func addSlidingBase(_ nested: JSONField?, _ source: JSONField) throws {
    let own =
      try nested?.optional("sliding_attention")?.optional("rope_theta") ?? source.optional("rope_local_base_freq")
    if let own { add("rope.freq_base_swa", .float(Float(try own.number()))) }
  }
}
