import Algorithms
import Diagnostics
import StrictJSON

/// The `adapter_config.json` of PEFT, reduced to plain LoRA and the methods with a `PEFTForm`: whatever would change what the
/// adapter computes is refused by name.
struct PEFTConfig {
  /// The method, as the config has it; nil for LoRA.
  let method: AdapterMethod?
  /// Its r and alpha.
  let reading: PEFTForm.Reading?
  let baseModel: String?
  let targetModules: TargetModules?
  let taskType: String?
  let useRSLoRA: Bool
  /// What PEFT took out of the base model's weights, if anything.
  let start: AdapterStart?
  /// Whether a LoRA has magnitudes.
  let usesDoRA: Bool
  private let config: JSONField
  private let rank: JSONField?
  private let alpha: JSONField?
  private let rule: ModuleRule
  private let saved: [String]
  private let ranks: [(pattern: ModulePattern, value: JSONField)]
  private let alphas: [(pattern: ModulePattern, value: JSONField)]

  /// Fields of every type that are read here, or that say nothing about the tensors in the file. `fan_in_fan_out` is about
  /// the base weight's layout: A and B are [r, in] and [out, r] for GPT-2 too.
  private static let common: Set<String> = [
    "peft_type", "r", "fan_in_fan_out", "target_modules", "modules_to_save", "base_model_name_or_path",
    "inference_mode",
    "task_type", "revision", "peft_version", "auto_mapping", "exclude_modules", "bias", "layers_to_transform",
    "layers_pattern",
  ]
  /// The same of LoRA.
  private static let lora: Set<String> = [
    "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "lora_dropout", "eva_config", "loftq_config",
    "megatron_core", "qalora_group_size", "runtime_config", "ensure_weight_tying", "init_lora_weights", "use_dora",
  ]

  /// `methods` are those that the file may hold.
  init(file: String, methods: [AdapterMethod]) throws {
    config = try JSONField(file: file)
    guard let type = try config.optional("peft_type") else {
      throw config.error("not an adapter of PEFT (peft_type is missing)")
    }
    let found = methods.first { $0.design.peft.map { $0.type == type.node.string } ?? false }
    if found == nil, type.node.string != "LORA" { throw type.unsupported(methods) }
    let own = found?.design.peft.map { Set($0.keys) } ?? Self.lora
    for (key, field) in try config.members()
    where !Self.common.contains(key) && !own.contains(key) && !field.node.isNeutral {
      throw field.unsupported
    }
    reading = try found?.design.peft?.read(config)
    method = found?.with(reading?.options ?? MethodValues())
    if let bias = try config.optional("bias"), bias.node.string != "none" { throw bias.unsupported }
    start = try Self.start(config)
    rank = found == nil ? try config.member("r") : nil
    alpha = found == nil ? try config.member("lora_alpha") : nil
    useRSLoRA = try config.optional("use_rslora")?.bool() ?? false
    usesDoRA = found == nil ? try config.optional("use_dora")?.bool() ?? false : false
    baseModel = try config.optional("base_model_name_or_path")?.node.string
    let targets = try config.optional("target_modules")
    targetModules = try targets.map(TargetModules.init)
    rule = try Self.rule(config, targetModules)
    saved = try config.optional("modules_to_save")?.strings() ?? []
    ranks = try Self.patterns(config.optional("rank_pattern"))
    alphas = try Self.patterns(config.optional("alpha_pattern"))
    taskType = try config.optional("task_type")?.node.string
  }

  /// The start that changed the base model's weights, which the file does not hold. Throws for one whose change is unknown.
  private static func start(_ config: JSONField) throws -> AdapterStart? {
    guard let field = try config.optional("init_lora_weights"), field.node.bool == nil,
      !["gaussian", "eva", "orthogonal", "mica"].contains(field.node.string)
    else { return nil }
    switch field.node.string.flatMap(AdapterStart.init) {
    case .pissa(nil)?: return .pissa(iterations: nil)
    case .olora?: return .olora
    case .pissa?:
      throw field.error(
        "what PEFT took out of the base model's weights depends on random numbers of that run; convert the adapter in "
          + "Python: save_pretrained with path_initial_model_for_weight_conversion")
    default: throw field.unsupported
    }
  }

  /// Throws if a module that is not `known` is saved whole. (PEFT itself writes both names of a classification head,
  /// whichever the model has.)
  func requireSavedModules(_ known: [String]) throws {
    guard let saved = try config.optional("modules_to_save") else { return }
    for name in try saved.strings() where !(known + ["classifier", "score"]).contains(name) { throw saved.unsupported }
  }

  /// Whether PEFT adapts the module at `path`, as tensors are named.
  func chooses(_ path: String) -> Bool {
    // A part that is saved whole is not adapted.
    let parts = path.split(separator: ".")
    return !saved.contains { name in parts.contains { $0 == name } } && rule.chooses(path)
  }

  /// The same for what the config names; one without `target_modules` adapts what its file has.
  func choosesByName(_ path: String) -> Bool { targetModules != nil && chooses(path) }

  /// r of the module with this path.
  func rank(of path: String) throws -> Int {
    try reading?.rank ?? (Self.value(ranks, path) ?? rank)?.size() ?? 1
  }

  /// alpha of the module with this path.
  func alpha(of path: String) throws -> Double {
    try reading?.alpha ?? (Self.value(alphas, path) ?? alpha)?.number() ?? 1
  }

  private static func rule(_ config: JSONField, _ targets: TargetModules?) throws -> ModuleRule {
    let layers = try config.optional("layers_to_transform"), pattern = try config.optional("layers_pattern")
    let excluded = try config.optional("exclude_modules")
    // PEFT refuses these too.
    if let field = layers ?? pattern, !field.node.isNeutral, case .expression? = targets {
      throw field.error("needs target_modules as a list of names, not an expression")
    }
    if let pattern, !pattern.node.isNeutral, layers?.node.isNeutral ?? true {
      throw pattern.error("needs layers_to_transform")
    }
    do {
      return try ModuleRule(
        targets: targets,
        excluded: excluded.flatMap { $0.node.isNeutral || $0.node.string == "" ? nil : $0 }.map(TargetModules.init),
        layers: layers.map { try $0.node.integer.map { [$0] } ?? $0.elements().map { try $0.integer() } },
        layersPattern: pattern.map { try $0.node.string.map { [$0] } ?? $0.strings() } ?? [])
    } catch let error as ModulePattern.Refused {
      let places = [try config.optional("target_modules"), excluded].compactMap(\.self)
      throw (places.first { $0.node.string == error.pattern } ?? pattern ?? config).refused(error)
    }
  }

  /// The expressions of a pattern table, in its order.
  private static func patterns(_ table: JSONField?) throws -> [(pattern: ModulePattern, value: JSONField)] {
    try table?.members().map { key, field in
      do throws(ModulePattern.Refused) {
        return (try ModulePattern(key: key), field)
      } catch {
        throw field.refused(error)
      }
    } ?? []
  }

  /// The value of the first expression that matches the end of `path`.
  private static func value(_ patterns: [(pattern: ModulePattern, value: JSONField)], _ path: String) -> JSONField? {
    patterns.first { $0.pattern.matches(path) }?.value
  }
}

extension JSONField {
  fileprivate func refused(_ error: ModulePattern.Refused) -> JSONFieldError {
    self.error("\(JSONWriter.quoted(error.pattern.clipped)) is not a regular expression: \(error.reason)")
  }

  /// A type of adapter that is neither LoRA nor one of `methods`.
  fileprivate func unsupported(_ methods: [AdapterMethod]) -> JSONFieldError {
    let types = (["LORA"] + methods.compactMap(\.design.peft?.type)).joined(separator: ", ")
    return error("\(JSONWriter.text(node.value, pretty: false)) is not supported, only \(types)")
  }

  fileprivate var unsupported: JSONFieldError {
    error(
      "\(JSONWriter.text(node.value, pretty: false)) is not supported; it may change what the adapter computes"
    )
  }
}

extension JSONNode {
  /// Whether the value leaves an option off: null, false, an empty list or object.
  fileprivate var isNeutral: Bool {
    isNull || bool == false || array?.isEmpty == true || object?.count == 0
  }
}
