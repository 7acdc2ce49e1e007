import Algorithms
import Checkpoints
import Diagnostics
import Foundation
import Models
import StrictJSON

/// Reads the adapters of Hugging Face PEFT: `adapter_config.json` and `adapter_model.safetensors`, of LoRA and of the
/// methods with a `PEFTForm`.
///
///     let adapter = try PEFTAdapter.read("their-adapter", geometry: geometry)
///     let start = try adapter.expanded.initialise(table)
///
/// Tensors are called `base_model.model.` + path + `.lora_A.weight`, the path with or without the prefix of the base
/// model; the head comes from `modules_to_save` without the method's names. Whatever is left over is an error, and so is a
/// map that the config chooses and the file lacks, or the other way round: PEFT would leave it out with a warning.
public struct PEFTAdapter: Sendable {
  /// What the file holds of the adapted maps.
  public enum Content: Sendable {
    /// A, B and scale of each.
    case lora(ExpandedAdapter)
    /// The tensors of another method.
    case method(StoredAdapter)
  }

  /// What the file holds.
  public let content: Content
  /// The config's `base_model_name_or_path`, if any.
  public let baseModel: String?
  /// The config's `target_modules`, if any.
  public let targetModules: TargetModules?
  /// The config's `task_type`, if any.
  public let taskType: String?

  /// A, B and scale of every adapted map, and the head. Throws if the method needs the base model's weights.
  public var expanded: ExpandedAdapter {
    get throws {
      switch content {
      case .lora(let expanded): expanded
      case .method(let stored): try stored.expanded
      }
    }
  }

  /// The adapter in `directory`, for a model of this geometry. `methods` are those that it may be of, beside LoRA.
  public static func read(
    _ directory: String, geometry: ModelGeometry, methods: [AdapterMethod] = AdapterMethod.all
  ) throws -> PEFTAdapter {
    let config = try PEFTConfig(file: "\(directory)/\(AdapterFile.configName)", methods: methods)
    // A module that is trained whole, say lm_head, would be ignored.
    try config.requireSavedModules(geometry.headModules)
    try requireSafetensors(directory)
    var file = try AdapterTensors(path: "\(directory)/\(AdapterFile.tensorsName)")
    let modules = try AdaptedModules(&file, geometry, config)
    let content: Content
    if let method = config.method, let form = method.design.peft {
      content = .method(try stored(method, form, modules, config, geometry, &file))
    } else {
      let entries = try modules.found.map { try entry($0.site, peftPath: $0.path, config: config, file: &file) }
      content =
        config.usesDoRA || config.start != nil
        ? .method(try variant(entries, modules, config, geometry, &file))
        : .lora(ExpandedAdapter(entries: entries, head: modules.head))
    }
    try file.requireAllTaken()
    try modules.requireWhole(geometry, config, file)
    return PEFTAdapter(
      content: content, baseModel: config.baseModel, targetModules: config.targetModules, taskType: config.taskType)
  }

  /// The tensors of a method that PEFT has too.
  private static func stored(
    _ method: AdapterMethod, _ form: PEFTForm, _ modules: AdaptedModules, _ config: PEFTConfig,
    _ geometry: ModelGeometry, _ file: inout AdapterTensors
  ) throws -> StoredAdapter {
    let rank = config.reading?.rank ?? 1, alpha = config.reading?.alpha ?? 1
    let scale = method.design.scale.value(alpha: alpha, rank: rank, useRSLoRA: false)
    let table = try SiteTable(
      sites: modules.found.map(\.site), method: method, r: rank, scale: scale, alpha: alpha, ranksAreBounded: false)
    try table.requireRoom()
    var tensors: [TensorKey: [Float]] = [:]
    for key in table.tensors {
      guard let position = table.firstUser(of: key), let tensor = form.tensor(key.role) else { continue }
      let site = table.sites[position]
      tensors[key] = try file.take(
        tensor.fileName(modules.found[position].path), user: site.path,
        expected: tensor.shape?(site, rank, method.options, table.maps) ?? table.shape(key))
    }
    try file.requireUsable(table) { tensors[$0] ?? [] }
    return StoredAdapter(
      table: table, tensors: tensors, head: modules.head,
      metadata: AdapterMetadata(
        baseModel: config.baseModel ?? "", modelType: geometry.config.modelType, taskType: config.taskType ?? "",
        labels: [], loraAlpha: alpha,
        targetModules: config.targetModules ?? .suffixes(modules.found.map(\.site.path))))
  }

  /// A LoRA with magnitudes, or one of changed weights: `StoredAdapter.restoreStart` adds what the file lacks then.
  private static func variant(
    _ entries: [ExpandedAdapter.Entry], _ modules: AdaptedModules, _ config: PEFTConfig, _ geometry: ModelGeometry,
    _ file: inout AdapterTensors
  ) throws -> StoredAdapter {
    var additions = MethodAdditions()
    (additions.usesDoRA, additions.start) = (config.usesDoRA, config.start ?? .standard)
    let lora = ExpandedAdapter(entries: entries, head: modules.head)
    let (plain, values, scale) = try lora.uniform(AdapterMethod.lora.with(additions))
    var tensors = values
    for (position, path) in modules.found.map(\.path).enumerated() {
      guard let key = plain.key(.magnitude, ofSiteAt: position) else { continue }
      tensors[key] = try file.take(
        "\(PEFTForm.modulePrefix)\(path).\(TensorRole.magnitude.fileName)", user: plain.sites[position].path,
        expected: plain.shape(key))
    }
    // What gives the scale of the whole at its rank.
    let alpha = scale / loraScale(alpha: 1, rank: max(1, plain.rank), useRSLoRA: config.useRSLoRA)
    return StoredAdapter(
      table: plain, tensors: tensors, head: modules.head,
      metadata: AdapterMetadata(
        baseModel: config.baseModel ?? "", modelType: geometry.config.modelType, taskType: config.taskType ?? "",
        labels: [], loraAlpha: alpha, useRSLoRA: config.useRSLoRA,
        targetModules: config.targetModules ?? .suffixes(modules.found.map(\.site.path))))
  }

  private static func entry(
    _ site: Site, peftPath: String, config: PEFTConfig, file: inout AdapterTensors
  ) throws -> ExpandedAdapter.Entry {
    let rank = try config.rank(of: peftPath)
    let name = PEFTForm.modulePrefix + peftPath, a = name + ".lora_A.weight", b = name + ".lora_B.weight"
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
}

/// The modules that a file has tensors of, in the order of the model, and the head.
private struct AdaptedModules {
  /// Each map with its path as tensors are named.
  private(set) var found: [(site: Site, path: String)] = []
  private(set) var head: [String: HeadTensor] = [:]
  /// The end of a tensor's name that every adapted module has.
  private let suffix: String
  private var hasPrefix = false

  /// Takes the head's tensors out of `file`. Throws for tensors of modules that the model or the config does not have.
  init(_ file: inout AdapterTensors, _ geometry: ModelGeometry, _ config: PEFTConfig) throws {
    let ends = config.method?.design.peft?.tensors.filter { !$0.isOfModel }.map { ".\($0.name)" }
    suffix = ends?.first ?? ".lora_A.weight"
    let prefix = geometry.basePrefix + "."
    let known = Dictionary(geometry.sites.map { ($0.path, $0) }) { first, _ in first }
    var paths: [String: String] = [:]
    for name in file.names where name.hasPrefix(PEFTForm.modulePrefix) {
      let path = String(name.dropFirst(PEFTForm.modulePrefix.count))
      if path.hasSuffix(suffix) {
        let module = String(path.dropLast(suffix.count))
        hasPrefix = hasPrefix || module.hasPrefix(prefix)
        let bare = module.hasPrefix(prefix) ? String(module.dropFirst(prefix.count)) : module
        guard let site = known[bare] else {
          throw file.failure(.unknownModule(module, nearest: nearestName(to: bare, among: known.keys.sorted())))
        }
        guard config.chooses(module) else { throw file.failure(.notChosen(module, config: AdapterFile.configName)) }
        paths[site.path] = module
      } else if !(ends ?? [".lora_B.weight"]).contains(where: path.hasSuffix),
        let tensor = Self.headTensor(path, geometry.headModules)
      {
        head[tensor] = try file.takeHead(name)
      }
    }
    found = geometry.sites.compactMap { site in paths[site.path].map { (site, $0) } }
  }

  /// Throws if the file lacks a map that the config names.
  func requireWhole(_ geometry: ModelGeometry, _ config: PEFTConfig, _ file: AdapterTensors) throws {
    let optional = Set(geometry.parts.filter(\.isOptional).map(\.path)), paths = Set(found.map(\.site.path))
    for site in geometry.sites where site.slice == nil && !paths.contains(site.path) && !optional.contains(site.path) {
      let module = (hasPrefix ? geometry.basePrefix + "." : "") + site.path
      if config.choosesByName(module) {
        throw file.failure(.missingTensor("\(PEFTForm.modulePrefix)\(module)\(suffix)", user: AdapterFile.configName))
      }
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
