import Checkpoints
import Diagnostics
import Models
import StrictJSON

/// Reads the LoRA adapters of Hugging Face PEFT: `adapter_config.json` and `adapter_model.safetensors`.
///
///     let adapter = try PEFTAdapter.read("their-adapter", geometry: geometry)
///     let start = try adapter.expanded.initialise(table)
///
/// Tensors are called `base_model.model.` + path + `.lora_A.weight`, the path with or without the prefix of the base
/// model; the head comes from `modules_to_save` without `lora_` in its names. Whatever is left over is an error.
public struct PEFTAdapter: Sendable, Equatable {
  /// A, B and scale of every adapted map, and the head.
  public let expanded: ExpandedAdapter
  /// The config's `base_model_name_or_path`, if any.
  public let baseModel: String?
  /// The config's `target_modules`; empty if it has none or a pattern.
  public let targetModules: [String]
  /// The config's `task_type`, if any.
  public let taskType: String?

  private static let tensorPrefix = "base_model.model."

  /// The adapter in `directory`, for a model of this geometry.
  public static func read(_ directory: String, geometry: ModelGeometry) throws -> PEFTAdapter {
    let config = try PEFTConfig(file: "\(directory)/\(AdapterFile.configName)")
    let headModule = geometry.headModule, prefix = geometry.basePrefix + ".", suffix = ".lora_A.weight"
    // A module that is trained whole, say lm_head, would be ignored.
    try config.requireSavedModules([headModule])
    var file = try AdapterTensors(path: "\(directory)/\(AdapterFile.tensorsName)")
    let known = Dictionary(geometry.sites.map { ($0.path, $0) }) { first, _ in first }
    var entries: [String: ExpandedAdapter.Entry] = [:]
    var head: [String: HeadTensor] = [:]
    for name in file.names where name.hasPrefix(tensorPrefix) {
      let path = String(name.dropFirst(tensorPrefix.count))
      if path.hasSuffix(suffix) {
        let module = String(path.dropLast(suffix.count))
        let bare = module.hasPrefix(prefix) ? String(module.dropFirst(prefix.count)) : module
        guard let site = known[bare] else {
          throw file.failure(.unknownModule(module, nearest: nearestName(to: bare, among: known.keys.sorted())))
        }
        entries[bare] = try entry(site, peftPath: module, config: config, file: &file)
      } else if let tensor = headTensor(path, headModule) {
        head[tensor] = try file.takeHead(name)
      }
    }
    try file.requireAllTaken()
    return PEFTAdapter(
      expanded: ExpandedAdapter(entries: geometry.sites.compactMap { entries[$0.path] }, head: head),
      baseModel: config.baseModel, targetModules: config.targetModules, taskType: config.taskType)
  }

  private static func entry(
    _ site: Site, peftPath: String, config: PEFTConfig, file: inout AdapterTensors
  ) throws -> ExpandedAdapter.Entry {
    let rank = try config.rank(of: peftPath)
    let a = "\(tensorPrefix)\(peftPath).lora_A.weight", b = "\(tensorPrefix)\(peftPath).lora_B.weight"
    return ExpandedAdapter.Entry(
      site: site, rank: rank,
      scale: loraScale(alpha: try config.alpha(of: peftPath), rank: rank, useRSLoRA: config.useRSLoRA),
      a: try file.take(a, user: site.path, expected: [rank, site.inFeatures]),
      b: try file.take(b, user: site.path, expected: [site.outFeatures, rank]))
  }

  /// The name in the model of a tensor of the head, or nil if it is not of the head. Old versions of PEFT put
  /// `modules_to_save.` into the name.
  private static func headTensor(_ path: String, _ headModule: String) -> String? {
    var parts = path.split(separator: ".").map(String.init)
    guard !path.contains("lora_"), parts.first == headModule else { return nil }
    parts.removeAll { $0 == "modules_to_save" }
    return parts.joined(separator: ".")
  }
}

extension ModelGeometry {
  /// The first part of the names of the classification head: `classifier`.
  var headModule: String {
    let name = HeadParameter.all(config: config, labels: 1).first?.name ?? ""
    return String(name.prefix { $0 != "." })
  }
}

/// The `adapter_config.json` of PEFT, reduced to plain LoRA: whatever would change what the adapter computes is refused
/// by name.
private struct PEFTConfig {
  let baseModel: String?
  let targetModules: [String]
  let taskType: String?
  let useRSLoRA: Bool
  private let config: JSONField
  private let rank: JSONField
  private let alpha: JSONField

  /// Fields that are read here, or that say nothing about the tensors in the file. `fan_in_fan_out` is about the base
  /// weight's layout: A and B are [r, in] and [out, r] for GPT-2 too.
  private static let harmless: Set<String> = [
    "peft_type", "r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "fan_in_fan_out", "target_modules",
    "modules_to_save", "base_model_name_or_path", "lora_dropout", "inference_mode", "task_type", "revision",
    "peft_version", "auto_mapping", "exclude_modules", "eva_config", "loftq_config", "megatron_core",
    "qalora_group_size", "runtime_config", "ensure_weight_tying", "bias", "init_lora_weights",
  ]

  init(file: String) throws {
    config = try JSONField(file: file)
    guard let type = try config.optional("peft_type") else {
      throw config.error("not an adapter of PEFT (peft_type is missing)")
    }
    if type.node.string != "LORA" { throw type.unsupported }
    for (key, field) in try config.members() where !Self.harmless.contains(key) && !field.node.isNeutral {
      throw field.unsupported
    }
    if let bias = try config.optional("bias"), bias.node.string != "none" { throw bias.unsupported }
    // The others (pissa, olora, loftq, corda, …) change the base weights, which the file does not hold.
    if let start = try config.optional("init_lora_weights"), start.node.bool == nil,
      !["gaussian", "eva", "orthogonal"].contains(start.node.string)
    {
      throw start.unsupported
    }
    rank = try config.member("r")
    alpha = try config.member("lora_alpha")
    useRSLoRA = try config.optional("use_rslora")?.bool() ?? false
    baseModel = try config.optional("base_model_name_or_path")?.node.string
    targetModules = try config.optional("target_modules")?.node.array?.compactMap(\.string) ?? []
    taskType = try config.optional("task_type")?.node.string
  }

  /// Throws if a module that is not `known` is saved whole. (PEFT itself writes both names of a classification head,
  /// whichever the model has.)
  func requireSavedModules(_ known: [String]) throws {
    guard let saved = try config.optional("modules_to_save") else { return }
    for name in try saved.strings() where !(known + ["classifier", "score"]).contains(name) { throw saved.unsupported }
  }

  /// r of the module with this path.
  func rank(of path: String) throws -> Int { try (pattern("rank_pattern", path) ?? rank).integer(atLeast: 1) }

  /// alpha of the module with this path.
  func alpha(of path: String) throws -> Double { try (pattern("alpha_pattern", path) ?? alpha).number() }

  /// The first entry of a pattern table that names `path` or its end. PEFT reads keys as regular expressions; here
  /// they are names, and a key that is more than a name is refused.
  private func pattern(_ table: String, _ path: String) throws -> JSONField? {
    guard let patterns = try config.optional(table) else { return nil }
    for (key, field) in try patterns.members() {
      guard key.allSatisfy({ $0.isLetter || $0.isNumber || "._".contains($0) }) else {
        throw field.error("regular expressions are not supported, only names of modules")
      }
      if path == key || path.hasSuffix("." + key) { return field }
    }
    return nil
  }
}

extension JSONField {
  fileprivate var unsupported: JSONFieldError {
    error(
      "\(JSONWriter.text(node.value, pretty: false)) is not supported: plain LoRA adapters and a classification head only"
    )
  }
}

extension JSONNode {
  /// Whether the value leaves an option off: null, false, an empty list or object.
  fileprivate var isNeutral: Bool {
    isNull || bool == false || array?.isEmpty == true || object?.count == 0
  }
}
