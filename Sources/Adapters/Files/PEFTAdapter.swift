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
  /// The config's `base_model_name_or_path`, where it says so.
  public let baseModel: String?
  /// The config's `target_modules`; empty for a pattern or where it is not said.
  public let targetModules: [String]
  /// The config's `task_type`, where it says so.
  public let taskType: String?

  private static let tensorPrefix = "base_model.model."

  /// The adapter in `directory`, for a model of this geometry.
  public static func read(_ directory: String, geometry: ModelGeometry) throws -> PEFTAdapter {
    let config = try PEFTConfig(file: "\(directory)/\(AdapterFile.configName)")
    let headModule = geometry.headModule
    // A module that is trained whole, say lm_head, would be ignored.
    try config.requireSavedModules([headModule])
    var file = try AdapterTensors(path: "\(directory)/\(AdapterFile.tensorsName)")
    let known = Dictionary(geometry.sites.map { ($0.path, $0) }) { first, _ in first }
    var entries: [String: ExpandedAdapter.Entry] = [:]
    var head: [String: HeadTensor] = [:]
    for name in file.names where name.hasPrefix(tensorPrefix) {
      let path = String(name.dropFirst(tensorPrefix.count))
      if let module = path.suffixRemoved(".lora_A.weight") {
        let bare = module.prefixRemoved(geometry.basePrefix + ".")
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

  /// The name in the model of a tensor of the head, or nil where it is none. Old versions of PEFT put
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

extension String {
  fileprivate func suffixRemoved(_ suffix: String) -> String? {
    hasSuffix(suffix) ? String(dropLast(suffix.count)) : nil
  }

  fileprivate func prefixRemoved(_ prefix: String) -> String {
    hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self
  }
}
