import Algorithms
import Checkpoints
import Diagnostics
import Foundation
import Models
import StrictJSON

/// Reads the LoRA adapters of Hugging Face PEFT: `adapter_config.json` and `adapter_model.safetensors`.
///
///     let adapter = try PEFTAdapter.read("their-adapter", geometry: geometry)
///     let start = try adapter.expanded.initialise(table)
///
/// Tensors are called `base_model.model.` + path + `.lora_A.weight`, the path with or without the prefix of the base
/// model; the head comes from `modules_to_save` without `lora_` in its names. Whatever is left over is an error, and so is a
/// map that the config chooses and the file lacks, or the other way round: PEFT would leave it out with a warning.
public struct PEFTAdapter: Sendable, Equatable {
  /// A, B and scale of every adapted map, and the head.
  public let expanded: ExpandedAdapter
  /// The config's `base_model_name_or_path`, if any.
  public let baseModel: String?
  /// The config's `target_modules`, if any.
  public let targetModules: TargetModules?
  /// The config's `task_type`, if any.
  public let taskType: String?

  private static let tensorPrefix = "base_model.model."

  /// The adapter in `directory`, for a model of this geometry.
  public static func read(_ directory: String, geometry: ModelGeometry) throws -> PEFTAdapter {
    let config = try PEFTConfig(file: "\(directory)/\(AdapterFile.configName)")
    let headModules = geometry.headModules, prefix = geometry.basePrefix + ".", suffix = ".lora_A.weight"
    // A module that is trained whole, say lm_head, would be ignored.
    try config.requireSavedModules(headModules)
    try requireSafetensors(directory)
    var file = try AdapterTensors(path: "\(directory)/\(AdapterFile.tensorsName)")
    let known = Dictionary(geometry.sites.map { ($0.path, $0) }) { first, _ in first }
    var entries: [String: ExpandedAdapter.Entry] = [:]
    var head: [String: HeadTensor] = [:]
    var hasPrefix = false
    for name in file.names where name.hasPrefix(tensorPrefix) {
      let path = String(name.dropFirst(tensorPrefix.count))
      if path.hasSuffix(suffix) {
        let module = String(path.dropLast(suffix.count))
        hasPrefix = hasPrefix || module.hasPrefix(prefix)
        let bare = module.hasPrefix(prefix) ? String(module.dropFirst(prefix.count)) : module
        guard let site = known[bare] else {
          throw file.failure(.unknownModule(module, nearest: nearestName(to: bare, among: known.keys.sorted())))
        }
        guard config.chooses(module) else { throw file.failure(.notChosen(module, config: AdapterFile.configName)) }
        entries[bare] = try entry(site, peftPath: module, config: config, file: &file)
      } else if let tensor = headTensor(path, headModules) {
        head[tensor] = try file.takeHead(name)
      }
    }
    try file.requireAllTaken()
    let optional = Set(geometry.parts.filter(\.isOptional).map(\.path))
    for site in geometry.sites where site.slice == nil && entries[site.path] == nil && !optional.contains(site.path) {
      let module = (hasPrefix ? prefix : "") + site.path
      if config.choosesByName(module) {
        throw file.failure(.missingTensor("\(tensorPrefix)\(module)\(suffix)", user: AdapterFile.configName))
      }
    }
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

  /// Throws if the directory's tensors are only there as a pickle.
  private static func requireSafetensors(_ directory: String) throws {
    let pickle = "\(directory)/adapter_model.bin", files = FileManager.default
    if !files.fileExists(atPath: "\(directory)/\(AdapterFile.tensorsName)"), files.fileExists(atPath: pickle) {
      throw AdapterFileError(file: pickle, problem: .pickle)
    }
  }

  /// The name in the model of a tensor of the head, or nil if it is not of the head. Old versions of PEFT put
  /// `modules_to_save.` into the name.
  private static func headTensor(_ path: String, _ headModules: [String]) -> String? {
    var parts = path.split(separator: ".").map(String.init)
    guard !path.contains("lora_"), let module = parts.first, headModules.contains(module) else { return nil }
    parts.removeAll { $0 == "modules_to_save" }
    return parts.joined(separator: ".")
  }
}

extension ModelGeometry {
  /// The first parts of the names of the classification head: `classifier`.
  var headModules: [String] {
    let head = HeadParameter.all(config: config, labels: 1, kind: head)
    return Array(head.compactMap { $0.name.split(separator: ".").first }.uniqued())
      .map(String.init)
  }
}
