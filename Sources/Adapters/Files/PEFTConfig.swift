import StrictJSON

/// The `adapter_config.json` of PEFT, reduced to plain LoRA: whatever would change what the adapter computes is
/// refused by name.
struct PEFTConfig {
  let baseModel: String?
  let targetModules: [String]
  let modulesToSave: [String]
  let useRSLoRA: Bool
  private let fields: ConfigFields
  private let defaultRank: Int
  private let defaultAlpha: Double

  /// Fields that are read here, or that say nothing about the tensors in the file. `fan_in_fan_out` is about the base
  /// weight's layout: A and B are [r, in] and [out, r] for GPT-2 too.
  private static let harmless: Set<String> = [
    "peft_type", "r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "fan_in_fan_out", "target_modules",
    "modules_to_save", "base_model_name_or_path", "lora_dropout", "inference_mode", "task_type", "revision",
    "peft_version", "auto_mapping", "exclude_modules", "eva_config", "loftq_config", "megatron_core",
    "qalora_group_size", "runtime_config", "ensure_weight_tying", "bias", "init_lora_weights",
  ]

  init(file: String) throws {
    let fields = try ConfigFields(file: file)
    guard let type = fields.object["peft_type"] else {
      throw fields.failure(.otherFormat(expected: "an adapter of PEFT (peft_type is missing)"))
    }
    self.fields = fields
    if type.string != "LORA" { throw fields.unsupported("peft_type", type) }
    for key in fields.object.keys where !Self.harmless.contains(key) {
      if let node = fields.optional(key), !node.isNeutral { throw fields.unsupported(key, node) }
    }
    if let bias = fields.optional("bias"), bias.string != "none" { throw fields.unsupported("bias", bias) }
    // The others (pissa, olora, loftq, corda, …) change the base weights, which the file does not hold.
    if let start = fields.optional("init_lora_weights"), start.bool == nil,
      !["gaussian", "eva", "orthogonal"].contains(start.string)
    {
      throw fields.unsupported("init_lora_weights", start)
    }
    defaultRank = try fields.integer("r")
    defaultAlpha = try fields.number("lora_alpha")
    useRSLoRA = fields.optional("use_rslora") == nil ? false : try fields.bool("use_rslora")
    baseModel = fields.optional("base_model_name_or_path")?.string
    targetModules = fields.optional("target_modules")?.array?.compactMap(\.string) ?? []
    modulesToSave = fields.optional("modules_to_save") == nil ? [] : try fields.strings("modules_to_save")
  }

  /// The task, `SEQ_CLS` or `CAUSAL_LM`, where it is said.
  var taskType: String? { fields.optional("task_type")?.string }

  /// Throws where a module is saved whole that is not `known`. (PEFT itself writes both names of a classification head,
  /// whichever the model has.)
  func requireSavedModules(_ known: [String]) throws {
    for name in modulesToSave where !(known + ["classifier", "score"]).contains(name) {
      throw fields.failure(
        .unsupported(field: "modules_to_save", value: JSONWriter.quoted(name)), at: fields.object["modules_to_save"])
    }
  }

  /// r of the module with this path.
  func rank(of path: String) throws -> Int {
    guard let (key, node) = try pattern("rank_pattern", path) else { return try positive(defaultRank) }
    guard let rank = node.integer else {
      throw fields.failure(.wrongField("rank_pattern.\(key)", expected: "a whole number"), at: node)
    }
    return try positive(rank)
  }

  /// alpha of the module with this path.
  func alpha(of path: String) throws -> Double {
    guard let (key, node) = try pattern("alpha_pattern", path) else { return defaultAlpha }
    guard let alpha = node.number else {
      throw fields.failure(.wrongField("alpha_pattern.\(key)", expected: "a number"), at: node)
    }
    return alpha
  }

  /// The first entry of a pattern table that names `path` or its end. PEFT reads keys as regular expressions; here
  /// they are names, and a key that is more than a name is refused.
  private func pattern(_ table: String, _ path: String) throws -> (key: String, node: JSONNode)? {
    guard fields.optional(table) != nil else { return nil }
    let patterns = try fields.fields(table)
    for key in patterns.object.keys {
      guard let node = patterns.object[key] else { continue }
      guard key.allSatisfy({ $0.isLetter || $0.isNumber || "._".contains($0) }) else {
        throw fields.failure(.unsupported(field: "\(table).\(key)", value: "a regular expression"), at: node)
      }
      if path == key || path.hasSuffix("." + key) { return (key, node) }
    }
    return nil
  }

  private func positive(_ rank: Int) throws -> Int {
    if rank < 1 { throw fields.failure(.wrongField("r", expected: "at least 1"), at: fields.object["r"]) }
    return rank
  }
}

extension ConfigFields {
  fileprivate func unsupported(_ key: String, _ node: JSONNode) -> AdapterFileError {
    failure(.unsupported(field: key, value: JSONWriter.text(node.value, pretty: false)), at: node)
  }
}

extension JSONNode {
  /// Whether the value leaves an option off: null, false, an empty list or object.
  fileprivate var isNeutral: Bool {
    isNull || bool == false || array?.isEmpty == true || object?.count == 0
  }
}
