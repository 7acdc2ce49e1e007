import Diagnostics
import Kernels
import StrictJSON

// What the families' readers share. Names and defaults: transformers 5.23, configuration_utils.py.

extension JSONObjectReader {
  /// A whole number in `range`; `standard` if it is absent.
  public mutating func integer(_ key: String, _ standard: Int, in range: ClosedRange<Int>) -> Int {
    value(key, or: standard) { try $0.integer(in: range) }
  }

  /// A number in `range`; `standard` if it is absent.
  public mutating func number(_ key: String, _ standard: Double, in range: ClosedRange<Double>) -> Double {
    value(key, or: standard) { try $0.number(in: range) }
  }

  /// True or false; `standard` if it is absent or null.
  public mutating func bool(_ key: String, _ standard: Bool) -> Bool { optional(key) { try $0.bool() } ?? standard }

  /// A probability of dropping, from 0 to below 1; nil if it is absent or null.
  public mutating func optionalDropout(_ key: String) -> Float? {
    optional(key) { field in
      let number = try field.number(in: 0...1)
      if Float(number) < 1 { return Float(number) }
      throw field.error(.wrongValue(expected: "below 1", found: "\(number)"))
    }
  }

  /// The key in use for what a family calls `key`: transformers also takes the `common` name.
  func used(_ key: String, or common: String) -> String { has(common) && !has(key) ? common : key }

  /// Adds the error that there is no code for the value of `key`.
  public mutating func reportUnsupported(_ key: String, _ value: String, supported: String) {
    report(key, "\(value) is not supported; supported: \(supported)")
  }

  /// Adds an error if the switch `key` is on.
  public mutating func refuse(_ key: String) {
    if bool(key, false) { reportUnsupported(key, "true", supported: "false") }
  }
}

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

  /// The members that every family has.
  mutating func readCommon(_ fields: inout JSONObjectReader) {
    initializerRange = Float(fields.number("initializer_range", 0.02, in: 0...1000))
    fields.refuse("add_cross_attention")
    fields.refuse("is_encoder_decoder")
    for key in ["quantization_config", "per_layer_config", "pruned_heads"] {
      guard let node = fields[key]?.node, node.object?.count != 0 else { continue }
      fields.reportUnsupported(key, node.kind, supported: "models without it")
    }
    problemType = fields.optional("problem_type") { field in
      let type = try field.string()
      let known = ["regression", "single_label_classification", "multi_label_classification"]
      if known.contains(type) { return type }
      throw field.error(.wrongValue(expected: "one of \(known.firstThree)", found: JSONWriter.quoted(type.clipped)))
    }
    readLabels(&fields)
  }

  /// More classes than this are a mistake; they would only take memory.
  private static let maximumLabels = 65_536

  /// Class names from `id2label`, or else from `label2id`; how many classes there are.
  ///
  /// A table that does not name every class is a problem only for what needs the names.
  ///
  /// If there are both, `id2label` decides as in transformers: many checkpoints have a stale `label2id`.
  private mutating func readLabels(_ fields: inout JSONObjectReader) {
    labelCount = fields.optional("num_labels") { try $0.integer(in: 1...Self.maximumLabels) }
    let isByNumber = fields["id2label"] != nil, key = isByNumber ? "id2label" : "label2id"
    guard let table = fields[key], !table.node.isNull else { return }
    guard table.node.object != nil, let pairs = try? table.members() else {
      labelProblem = table.error(.wrongValue(expected: "an object", found: table.node.kind))
      return
    }
    if pairs.isEmpty { return }
    guard pairs.count <= Self.maximumLabels else {
      fields.report(key, .wrongValue(expected: "1 to \(Self.maximumLabels) classes", found: "\(pairs.count)"))
      return
    }
    var names = [String?](repeating: nil, count: pairs.count)
    for (member, field) in pairs {
      let number = isByNumber ? Int(member) : field.node.integer, name = isByNumber ? field.node.string : member
      guard let number, let name, names.indices.contains(number), names[number] == nil else {
        labelProblem = table.error("must give each of the classes 0 to \(pairs.count - 1) one name")
        labelCount = pairs.count
        return
      }
      names[number] = name
    }
    labels = names.compactMap { $0 }
    labelCount = pairs.count
  }

  /// The sizes that encoders and most decoders call the same: `vocab_size`, `hidden_size`, `num_hidden_layers`,
  /// `num_attention_heads`, `intermediate_size`, `max_position_embeddings`. Heads must divide the width, unless their
  /// size is given apart.
  public mutating func readSizes(
    _ fields: inout JSONObjectReader, vocabulary: Int, hidden: Int, layers depth: Int, heads number: Int, inner: Int,
    positions: Int, hasHeadSize: Bool = false
  ) {
    vocabularySize = fields.integer("vocab_size", vocabulary, in: Bounds.vocabulary)
    hiddenSize = fields.integer("hidden_size", hidden, in: Bounds.width)
    layers = fields.integer("num_hidden_layers", depth, in: Bounds.depth)
    heads = fields.integer("num_attention_heads", number, in: Bounds.width)
    intermediateSize = fields.integer("intermediate_size", inner, in: Bounds.innerWidth)
    maxPositions = fields.integer("max_position_embeddings", positions, in: Bounds.positions)
    readHeads(
      key: "num_attention_heads", widthKey: "hidden_size", hasSize: hasHeadSize || fields["head_dim"] != nil, &fields)
  }

  /// Sets the head size from `heads` and `hiddenSize`, which must divide unless a head has a size of its own; keys and
  /// values have as many heads.
  public mutating func readHeads(
    key: String, widthKey: String, hasSize: Bool = false, _ fields: inout JSONObjectReader
  ) {
    keyValueHeads = heads
    headSize = max(1, hiddenSize / heads)
    if hiddenSize % heads != 0, !hasSize {
      fields.report(key, .wrongValue(expected: "a divisor of \(widthKey) (\(hiddenSize))", found: "\(heads)"))
    }
  }

  /// The nonlinearity that `key` names, or `standard`.
  public mutating func readActivation(_ key: String, _ standard: Activation, _ fields: inout JSONObjectReader) {
    activation = readActivation(named: key, standard, &fields)
  }

  /// The nonlinearity that `key` names, or `standard`, of a part of its own.
  public func readActivation(
    named key: String, _ standard: Activation, _ fields: inout JSONObjectReader
  ) -> Activation {
    guard let name = fields.optional(key, { try $0.string() }) else { return standard }
    if let known = Activation(name: name) { return known }
    let supported = Activation.names.joined(separator: ", ")
    fields.reportUnsupported(key, JSONWriter.quoted(name.clipped), supported: supported)
    return standard
  }

  /// Special tokens; an explicit null means none, and so does the padding token −1.
  public mutating func readTokens(_ fields: inout JSONObjectReader, pad: Int?, bos: Int?, eos: Int?) {
    readTokens(&fields, pad: pad, bos: bos, eos: eos.map { [$0] } ?? [])
  }

  /// The same with several tokens that end a text by default.
  mutating func readTokens(_ fields: inout JSONObjectReader, pad: Int?, bos: Int?, eos: [Int]) {
    func token(_ key: String, from least: Int = 0, _ standard: Int?) -> Int? {
      fields.has(key) ? fields.optional(key) { try $0.integer(in: least...Int(Int32.max)) } : standard
    }
    padTokenID = token("pad_token_id", from: -1, pad)
    if padTokenID == -1 { padTokenID = nil }
    if let pad = padTokenID, fields["pad_token_id"] != nil, pad >= vocabularySize {
      fields.report("pad_token_id", .wrongValue(expected: "below vocab_size (\(vocabularySize))", found: "\(pad)"))
    }
    bosTokenID = token("bos_token_id", bos)
    if fields["eos_token_id"]?.node.array != nil {
      eosTokenIDs =
        fields.optional("eos_token_id") { try $0.elements().map { try $0.integer(in: Bounds.tokens) } } ?? []
    } else {
      eosTokenIDs = fields.has("eos_token_id") ? token("eos_token_id", nil).map { [$0] } ?? [] : eos
    }
  }
}

extension Activation {
  /// Other names of the same functions. Those of the tanh approximation differ in transformers only by rounding.
  private static let aliases: [String: Activation] = [
    "gelu_python": .gelu, "gelu_fast": .geluTanh, "gelu_pytorch_tanh": .geluTanh, "gelu_python_tanh": .geluTanh,
    "gelu_accurate": .geluTanh, "swish": .silu,
  ]

  /// The function that a model's config calls `name`; nil if it is unknown.
  public init?(name: String) {
    guard let activation = Activation(rawValue: name) ?? Self.aliases[name] else { return nil }
    self = activation
  }

  /// Every name that `init(name:)` knows, sorted.
  public static var names: [String] { (allCases.map(\.rawValue) + aliases.keys).sorted() }
}
