import Checkpoints
import Kernels
import StrictJSON

/// What GGUF files call a family, and what their metadata say of it beside the keys that all families share.
///
///     gguf: GGUFFamily("gemma2") { config in
///       try config.copy("attention.sliding_window", to: "sliding_window")
///     }
public struct GGUFFamily: Sendable {
  /// `general.architecture`.
  public let name: String
  /// The base of rotary positions in configs that give none.
  let theta: Double
  /// Which layers have windows, where llama.cpp knows windows of the family.
  let slides: (@Sendable (Int) -> Bool)?
  /// Writes members of `config.json` from the metadata; nil if files of the family are neither read nor written.
  let read: (@Sendable (inout GGUFConfig) throws -> Void)?

  /// A family whose files are read and written. `read` adds what is its own.
  public init(
    _ name: String, theta: Double = 10_000, slides: (@Sendable (Int) -> Bool)? = nil,
    read: @escaping @Sendable (inout GGUFConfig) throws -> Void = { _ in }
  ) {
    (self.name, self.theta, self.slides, self.read) = (name, theta, slides, read)
  }

  private init(name: String) { (self.name, theta, slides, read) = (name, 10_000, nil, nil) }

  /// A family of which only adapters are written.
  public static func adapters(_ name: String) -> GGUFFamily { GGUFFamily(name: name) }
}

/// The members of a `config.json` that says what a GGUF file's metadata say.
public struct GGUFConfig {
  /// The file.
  public let file: GGUFFile
  /// `general.architecture`, which begins the keys.
  let architecture: String
  private(set) var members = JSONObject()
  /// The key that each member comes from.
  private(set) var keys: [String: String] = [:]

  init(_ file: GGUFFile, architecture: String, modelType: String) throws {
    (self.file, self.architecture) = (file, architecture)
    set("model_type", .string(modelType))
    try readSizes()
    try readRotary()
    try readTokens()
    set("tie_word_embeddings", .bool(file.info("output.weight") == nil))
    set("attention_bias", .bool(file.info("blk.0.attn_q.bias") != nil))
    set("mlp_bias", .bool(file.info("blk.0.ffn_gate.bias") != nil))
  }

  private var metadata: GGUFMetadata { file.metadata }

  /// The whole key: `llama.block_count` for `block_count`.
  public func key(_ name: String) -> String { "\(architecture).\(name)" }

  /// The whole number under `name`; nil if it is absent.
  public func integer(_ name: String) throws -> Int? { try metadata.integer(key(name)) }

  /// The number under `name`; nil if it is absent.
  public func number(_ name: String) throws -> Double? { try metadata.number(key(name)) }

  /// Sets a member.
  public mutating func set(_ member: String, _ value: JSONValue, from name: String? = nil) {
    members[member] = JSONNode(value)
    keys[member] = name.map(key)
  }

  /// Sets a member to the whole number under `name`, if it is there; otherwise an error if it `isRequired`.
  public mutating func copy(_ name: String, to member: String, isRequired: Bool = false) throws {
    if let value = try integer(name) { return set(member, .integer(value), from: name) }
    if isRequired { throw metadata.missing(key(name)) }
  }

  /// The same for a number.
  public mutating func copyNumber(_ name: String, to member: String, isRequired: Bool = false) throws {
    if let value = try number(name) { return set(member, .number(value), from: name) }
    if isRequired { throw metadata.missing(key(name)) }
  }

  /// The window of layers that have one; 0 stands for none.
  mutating func copyWindow() throws {
    let name = "attention.sliding_window"
    if let window = try integer(name) { set("sliding_window", window == 0 ? .null : .integer(window), from: name) }
  }

  // MARK: - What all families share

  private mutating func readSizes() throws {
    if let experts = try integer("expert_count"), experts > 0 {
      throw metadata.wrong(key("expert_count"), "0, since mixtures of experts are not supported", "\(experts)")
    }
    guard let embedding = file.info("token_embd.weight"), embedding.shape.count == 2 else {
      throw CheckpointError.missingTensors(directory: file.path, tensors: ["token_embd.weight"])
    }
    set("vocab_size", .integer(embedding.shape[0]))
    try copy("embedding_length", to: "hidden_size", isRequired: true)
    try copy("block_count", to: "num_hidden_layers", isRequired: true)
    try copy("context_length", to: "max_position_embeddings", isRequired: true)
    try copyNumber("attention.layer_norm_rms_epsilon", to: "rms_norm_eps", isRequired: true)
    try copyShared("feed_forward_length", to: "intermediate_size", isRequired: true)
    try copyShared("attention.head_count", to: "num_attention_heads", isRequired: true)
    try copyShared("attention.head_count_kv", to: "num_key_value_heads")
    try copy("attention.key_length", to: "head_dim")
    if let values = try integer("attention.value_length"), values != (try headSize()) {
      throw metadata.wrong(key("attention.value_length"), "the size of a key (\(try headSize()))", "\(values)")
    }
  }

  /// The same for a number that may stand there once for every layer.
  private mutating func copyShared(_ name: String, to member: String, isRequired: Bool = false) throws {
    guard metadata.isList(key(name)) else { return try copy(name, to: member, isRequired: isRequired) }
    let values = try metadata.integers(key(name)) ?? []
    guard let first = values.first, values.allSatisfy({ $0 == first }) else {
      throw metadata.wrong(key(name), "the same number for every layer", "a list of different ones")
    }
    set(member, .integer(first), from: name)
  }

  /// The width of a head.
  public func headSize() throws -> Int {
    if let size = try integer("attention.key_length") { return size }
    let heads = members["num_attention_heads"]?.integer ?? 1
    return (members["hidden_size"]?.integer ?? 0) / max(1, heads)
  }

  /// Special tokens. SentencePiece's usual ones are left out by some converters.
  private mutating func readTokens() throws {
    func token(_ role: String) throws -> Int? { try metadata.integer("tokenizer.ggml.\(role)_token_id") }
    let isPieces = try metadata.tokenizerKind() == .pieces
    func value(_ token: Int?) -> JSONValue { token.map { .integer($0) } ?? .null }
    set("bos_token_id", value(try token("bos") ?? (isPieces ? 1 : nil)))
    set("pad_token_id", value(try token("padding")))
    // A turn's end is another token than a text's in some models.
    var ends: [Int] = []
    for end in [try token("eos") ?? (isPieces ? 2 : nil), try token("eot")].compactMap(\.self) where !ends.contains(end)
    {
      ends.append(end)
    }
    set(
      "eos_token_id",
      ends.count == 1 ? .integer(ends[0]) : ends.isEmpty ? .null : .array(ends.map { JSONNode(.integer($0)) }))
  }
}

extension GGUFConfig {
  /// The tensors of rotary embeddings, which are part of the config here.
  static let rotaryTensors = ["rope_freqs.weight", "rope_factors_short.weight", "rope_factors_long.weight"]

  /// The rotary embedding: its base, how many of a head's numbers turn, and its scaling.
  private mutating func readRotary() throws {
    try copyNumber("rope.freq_base", to: "rope_theta")
    if let turning = try integer("rope.dimension_count"), case let size = try headSize(), turning != size, size > 0 {
      set("partial_rotary_factor", .number(Double(turning) / Double(size)), from: "rope.dimension_count")
    }
    let name = "rope.scaling.original_context_length"
    try copy(name, to: "original_max_position_embeddings")
    guard let scaling = try rotaryScaling() else { return }
    set("rope_scaling", .object(scaling), from: "rope.scaling.type")
    // LLaMA 3's scaling is the same for texts of any length.
    if file.info("rope_freqs.weight") != nil {
      set("original_max_position_embeddings", members["max_position_embeddings"]?.value ?? .null, from: name)
    }
  }

  private func rotaryScaling() throws -> JSONObject? {
    var scaling = JSONObject()
    func set(_ member: String, _ value: JSONValue) { scaling[member] = JSONNode(value) }
    func list(_ numbers: [Float]) -> JSONValue { .array(numbers.map { JSONNode(.number(Double($0))) }) }
    let factor = try number("rope.scaling.factor") ?? number("rope.scale_linear")
    if let short = try divisors("rope_factors_short.weight"), let long = try divisors("rope_factors_long.weight") {
      set("rope_type", .string("longrope"))
      set("short_factor", list(short))
      set("long_factor", list(long))
      if let amplitude = try number("rope.scaling.attn_factor") { set("attention_factor", .number(amplitude)) }
      return scaling
    }
    // LLaMA 3's scaling is stored as what it makes of each frequency.
    if let divisors = try divisors("rope_freqs.weight") {
      set("rope_type", .string("longrope"))
      set("short_factor", list(divisors))
      set("long_factor", list(divisors))
      set("attention_factor", .number(1))
      return scaling
    }
    switch try file.metadata.text(key("rope.scaling.type")) ?? (factor == nil ? "none" : "linear") {
    case "none", "longrope": return nil
    case let type:
      guard let factor else { return nil }
      set("rope_type", .string(type))
      set("factor", .number(factor))
      return scaling
    }
  }

  /// The numbers of a small tensor; nil if there is none.
  private func divisors(_ name: String) throws -> [Float]? {
    guard let tensor = file.tensor(name) else { return nil }
    let size = try headSize()
    guard tensor.shape.count == 1, tensor.count <= max(1, size) else {
      throw CheckpointError.wrongShape(file: file.path, tensor: name, found: tensor.shape, expected: [size / 2])
    }
    return tensor.floats()
  }
}
