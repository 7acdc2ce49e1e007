import Diagnostics
import StrictJSON

// What the families' readers share. Names and defaults: transformers 5.23, configuration_utils.py.

extension ModelConfig {
  /// Bounds of sizes, so that the bytes of all parameters fit `Int`.
  public enum Bounds {
    /// Rows of a token embedding.
    public static let vocabulary = 1...16_777_216
    /// Widths of hidden states, and numbers of heads.
    public static let width = 1...65_536
    /// Widths of one head.
    public static let headWidth = 1...4096
    /// Layers.
    public static let depth = 1...1024
    /// Inner widths of feed-forward blocks.
    public static let innerWidth = 1...1_048_576
    /// Positions.
    public static let positions = 1...16_777_216
    /// Token ids.
    public static let tokens = 0...Int(Int32.max)
  }

  /// Fields that every family has.
  mutating func readCommon(_ fields: inout ConfigFields) {
    initializerRange = Float(fields.number("initializer_range", 0.02, in: 0...1000))
    refuse("add_cross_attention", &fields)
    refuse("is_encoder_decoder", &fields)
    for key in ["quantization_config", "per_layer_config", "pruned_heads"] {
      guard let node = fields.node(key), node.object?.count != 0 else { continue }
      fields.report(key, .unsupported(field: key, value: "(\(node.kind))", supported: "models without it"))
    }
    guard let type = fields.optionalString("problem_type") else { return }
    let known = ["regression", "single_label_classification", "multi_label_classification"]
    if known.contains(type) {
      problemType = type
    } else {
      let supported = known.joined(separator: ", ")
      fields.report(
        "problem_type",
        .unsupported(field: "problem_type", value: JSONWriter.quoted(type.clipped), supported: supported))
    }
  }

  /// The sizes that encoders and most decoders call the same: `vocab_size`, `hidden_size`, `num_hidden_layers`,
  /// `num_attention_heads`, `intermediate_size`, `max_position_embeddings`. Heads must divide the width.
  public mutating func readSizes(
    _ fields: inout ConfigFields, vocabulary: Int, hidden: Int, layers depth: Int, heads number: Int, inner: Int,
    positions: Int
  ) {
    vocabularySize = fields.integer("vocab_size", vocabulary, in: Bounds.vocabulary)
    hiddenSize = fields.integer("hidden_size", hidden, in: Bounds.width)
    layers = fields.integer("num_hidden_layers", depth, in: Bounds.depth)
    heads = fields.integer("num_attention_heads", number, in: Bounds.width)
    intermediateSize = fields.integer("intermediate_size", inner, in: Bounds.innerWidth)
    maxPositions = fields.integer("max_position_embeddings", positions, in: Bounds.positions)
    readHeads(key: "num_attention_heads", widthKey: "hidden_size", &fields)
  }

  /// Sets the head size from `heads` and `hiddenSize`, which must divide; keys and values have as many heads.
  public mutating func readHeads(key: String, widthKey: String, _ fields: inout ConfigFields) {
    keyValueHeads = heads
    headSize = max(1, hiddenSize / heads)
    if hiddenSize % heads != 0 {
      fields.report(key, .notDivisible(field: widthKey, value: hiddenSize, by: key, divisor: heads))
    }
  }

  /// Heads of keys and values, the width of a head, and the rotary embedding: what decoders with `rotary` positions have.
  ///
  /// Newer configs keep θ in `rope_parameters`, older ones beside `rope_scaling`.
  public mutating func readRotaryAttention(_ fields: inout ConfigFields) {
    keyValueHeads = fields.optionalInteger("num_key_value_heads", in: Bounds.width) ?? heads
    if heads % keyValueHeads != 0 {
      fields.report(
        "num_key_value_heads",
        .notDivisible(field: "num_attention_heads", value: heads, by: "num_key_value_heads", divisor: keyValueHeads))
    }
    headSize = fields.optionalInteger("head_dim", in: Bounds.headWidth) ?? headSize
    if headSize % 2 != 0 {
      let key = fields.node("head_dim") == nil ? "hidden_size" : "head_dim"
      fields.report(key, .inconsistent("a head has \(headSize) numbers; rotary embeddings need an even number"))
    }
    ropeTheta = fields.optionalNumber("rope_theta", in: 1...1e15) ?? 10_000
    let key = fields.node("rope_scaling") == nil ? "rope_parameters" : "rope_scaling"
    if let node = fields.node(key) {
      if node.object == nil {
        fields.wrongType(key, "an object")
      } else if let theta = node["rope_theta"], !theta.isNull {
        if let value = theta.number, (1...1e15).contains(value) {
          ropeTheta = value
        } else {
          fields.report(
            key, .wrongType(field: "\(key).rope_theta", kind: theta.kind, expected: "a number from 1 to 1e15"))
        }
      }
      let type = node["rope_type"] ?? node["type"]
      if let type, type.string == nil, !type.isNull {
        fields.report(key, .wrongType(field: "\(key).rope_type", kind: type.kind, expected: "a string"))
      }
      if type?.string ?? "default" != "default" { ropeScaling = node }
    }
    let partial = fields.optionalNumber("partial_rotary_factor", in: 0...1) ?? 1
    if partial != 1 {
      fields.report(
        "partial_rotary_factor", .unsupported(field: "partial_rotary_factor", value: "\(partial)", supported: "1"))
    }
  }

  /// A switch that must be off.
  public func refuse(_ key: String, _ fields: inout ConfigFields) {
    if fields.bool(key, false) {
      fields.report(key, .unsupported(field: key, value: "true", supported: "false"))
    }
  }

  /// The nonlinearity that `key` names, or `standard`.
  public mutating func readActivation(_ key: String, _ standard: Activation, _ fields: inout ConfigFields) {
    activation = standard
    guard let name = fields.optionalString(key) else { return }
    if let known = Activation(name: name) {
      activation = known
    } else {
      let supported = Activation.names.joined(separator: ", ")
      fields.report(key, .unsupported(field: key, value: JSONWriter.quoted(name.clipped), supported: supported))
    }
  }

  /// Special tokens; an explicit null means none, and so does the padding token −1.
  public mutating func readTokens(_ fields: inout ConfigFields, pad: Int?, bos: Int?, eos: Int?) {
    padTokenID = fields.has("pad_token_id") ? fields.optionalInteger("pad_token_id", in: -1...Int(Int32.max)) : pad
    if padTokenID == -1 { padTokenID = nil }
    if let pad = padTokenID, fields.node("pad_token_id") != nil, pad >= vocabularySize {
      fields.report(
        "pad_token_id",
        .outOfRange(field: "pad_token_id", value: String(pad), expected: "below vocab_size (\(vocabularySize))"))
    }
    bosTokenID = fields.has("bos_token_id") ? fields.optionalInteger("bos_token_id", in: Bounds.tokens) : bos
    guard fields.has("eos_token_id") else {
      eosTokenIDs = eos.map { [$0] } ?? []
      return
    }
    if let list = fields.node("eos_token_id")?.array {
      eosTokenIDs = list.compactMap(\.integer).filter(Bounds.tokens.contains)
      if eosTokenIDs.count != list.count { fields.wrongType("eos_token_id", "a list of token numbers") }
    } else {
      eosTokenIDs = fields.optionalInteger("eos_token_id", in: Bounds.tokens).map { [$0] } ?? []
    }
  }
}
