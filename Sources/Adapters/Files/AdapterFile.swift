import Algorithms
import Checkpoints
import Diagnostics
import Kernels
import Models
import StrictJSON

/// Our own adapter directory: `adapter_model.safetensors` and `adapter_config.json`.
///
/// Every distinct tensor is stored once under `SiteTable.name(of:)`, the head's tensors as `head.` + their name in the
/// model. The config names, for every adapted map, the tensors that it uses.
///
///     try AdapterFile.write(adapter, to: "runs/sst2")
///     let adapter = try AdapterFile.read("runs/sst2")
public enum AdapterFile {
  /// The name of the file with the numbers.
  public static let tensorsName = "adapter_model.safetensors"
  /// The name of the file with everything else.
  public static let configName = "adapter_config.json"
  static let format = "swift-peft"
  /// The newest format. Version 1 has A's and B's only; version 2 any tensor that a method declares; version 3 ranks and
  /// scales of single maps, and an expression as `target_modules`; version 4 heads for any number of labels; version 5
  /// options of methods; version 6 what is put on methods: DoRA, starts from the base model's weights.
  static let formatVersion = 6
  static let headPrefix = "head."

  /// Writes both files into `directory`, which exists. The config comes last.
  public static func write(_ adapter: StoredAdapter, to directory: String) throws {
    let table = adapter.table
    var tensors = table.tensors.filter { table.tensor($0).isStored }.map { key in
      SafetensorsTensor(name: table.name(of: key), shape: table.shape(key), adapter.tensors[key] ?? [])
    }
    tensors += adapter.head.map { SafetensorsTensor(name: headPrefix + $0, shape: $1.shape, $1.values) }
    try SafetensorsWriter.write(tensors, metadata: ["format": "pt"], to: "\(directory)/\(tensorsName)")
    try AtomicFile.write(JSONWriter.text(config(of: adapter), pretty: true), to: "\(directory)/\(configName)")
  }

  /// Whether the directory's config is one of ours rather than PEFT's. Throws if it is missing or is not JSON.
  public static func isNative(_ directory: String) throws -> Bool {
    try JSONField(file: "\(directory)/\(configName)").optional("format")?.node.string == format
  }

  /// The adapter in `directory`. Throws if the files and the strategy disagree in any name, shape or sharing.
  ///
  /// `sites` are the model's maps, which the adapter must fit.
  public static func read(
    _ directory: String, sites: [Site], methods: [AdapterMethod] = AdapterMethod.all
  ) throws -> StoredAdapter {
    let (table, metadata) = try NativeConfig(directory, sites, methods).decode()
    // Tensors that are not stored are drawn, however large the config says they are.
    try table.requireRoom()
    var file = try AdapterTensors(path: "\(directory)/\(tensorsName)")
    var tensors: [TensorKey: [Float]] = [:]
    for key in table.tensors {
      guard table.tensor(key).isStored else {
        // `StoredAdapter.restoreStart` finds what follows from weights.
        if table.method.design.start?.roles.contains(key.role) == true { continue }
        // Its seed is its own, whatever the run's was.
        tensors[key] = table.tensor(key).startValues(
          Philox(seed: 0), stream: table.initialisationKey(key), alpha: table.alpha)
        continue
      }
      let user = table.firstUser(of: key).map { table.sites[$0].path } ?? ""
      tensors[key] = try file.take(table.name(of: key), user: user, expected: table.shape(key))
    }
    var head: [String: HeadTensor] = [:]
    for name in file.names where name.hasPrefix(headPrefix) {
      head[String(name.dropFirst(headPrefix.count))] = try file.takeHead(name)
    }
    try file.requireAllTaken()
    try file.requireUsable(table) { tensors[$0] ?? [] }
    return StoredAdapter(table: table, tensors: tensors, head: head, metadata: metadata)
  }

  private static func config(of adapter: StoredAdapter) -> JSONValue {
    let table = adapter.table, metadata = adapter.metadata
    let sites = table.sites.enumerated().map { position, site -> (String, JSONValue) in
      var members: [(String, JSONValue)] = [("layer", .integer(site.layer)), ("module", .string(site.module))]
      if table.ranks[position] != table.rank { members.append(("r", .integer(table.ranks[position]))) }
      if let scale = table.scales[position] { members.append(("scale", plain(scale))) }
      members += table.keys(ofSiteAt: position).map { ($0.role.name, .string(table.name(of: $0))) }
      if let slice = site.slice {
        members.append(("slice_of", .string(slice.path)))
        members.append(("first_row", .integer(slice.firstRow)))
      }
      return (site.path, .members(members))
    }
    let members: JSONValue = [
      "format": .string(format), "format_version": .integer(version(of: adapter)),
      "strategy": .string(table.method.name),
      "options": table.method.options.members.isEmpty ? .null : table.method.options.json,
      "use_dora": table.method.additions.usesDoRA ? true : .null,
      "init_lora_weights": table.method.additions.start == .standard
        ? .null : .string(table.method.additions.start.name),
      "init_from_mean": table.method.additions.startsFromMean ? true : .null, "r": .integer(table.rank),
      "lora_alpha": plain(metadata.loraAlpha), "lora_dropout": plain(metadata.loraDropout),
      "use_rslora": .bool(metadata.useRSLoRA), "target_modules": metadata.targetModules.json,
      "base_model_name_or_path": .string(metadata.baseModel), "model_type": .string(metadata.modelType),
      "task_type": .string(metadata.taskType), "labels": .strings(metadata.labels),
      "problem_type": metadata.problemType.map { .string($0) } ?? .null, "step": .integer(metadata.step),
      "sites": .members(sites),
    ]
    return members.withoutNulls
  }
}

extension AdapterFile {
  /// The oldest format that can hold it, so that programs of then can read it.
  private static func version(of adapter: StoredAdapter) -> Int {
    let table = adapter.table
    if table.method.additions != MethodAdditions() { return 6 }
    if !table.method.options.members.isEmpty { return 5 }
    if adapter.metadata.problemType != nil { return 4 }
    if case .expression = adapter.metadata.targetModules { return 3 }
    if table.ranks.contains(where: { $0 != table.rank }) || table.scales.contains(where: { $0 != nil }) { return 3 }
    return table.roles.allSatisfy { $0 == .a || $0 == .b } ? 1 : 2
  }
}

extension TargetModules {
  /// A list of names, or an expression.
  var json: JSONValue { if case .expression(let text) = self { .string(text) } else { .strings(names) } }

  /// The opposite of `json`.
  init(_ field: JSONField) throws {
    if let text = field.node.string {
      self = text == TargetSelection.allLinear ? .allLinear : .expression(text)
    } else {
      self = try TargetSelection(field.strings()).targets
    }
  }
}

extension JSONValue {
  /// An object without the members that are null.
  fileprivate var withoutNulls: JSONValue {
    guard case .object(let object) = self else { return self }
    return .members(object.keys.compactMap { key in object[key].map { (key, $0.value) } }.filter { $0.1 != .null })
  }
}

extension JSONField {
  /// The value that `file` holds. Throws `FileError` or `JSONSyntaxError`.
  init(file: String) throws { try self.init(parsing: MappedFile(path: file).text(), file: file) }
}

/// Decodes the config of our own adapter directory into the table that it describes.
private struct NativeConfig {
  private let config: JSONField
  private let sites: [String: Site]
  private let methods: [AdapterMethod]

  private static let keys = [
    "format", "format_version", "strategy", "options", "use_dora", "init_lora_weights", "init_from_mean", "r",
    "lora_alpha", "lora_dropout", "use_rslora",
    "target_modules",
    "base_model_name_or_path", "model_type", "task_type", "labels", "problem_type", "step", "sites",
  ]

  init(_ directory: String, _ sites: [Site], _ methods: [AdapterMethod]) throws {
    config = try JSONField(file: "\(directory)/\(AdapterFile.configName)")
    self.sites = Dictionary(sites.map { ($0.path, $0) }) { first, _ in first }
    self.methods = methods
  }

  func decode() throws -> (table: SiteTable, metadata: AdapterMetadata) {
    guard try config.optional("format")?.node.string == AdapterFile.format else {
      throw config.error("not a native adapter of swift-peft")
    }
    let version = try config.member("format_version"), newest = AdapterFile.formatVersion
    if try version.integer() > newest {
      throw version.error("written by a newer program; this one reads up to version \(newest)")
    }
    try config.requireOnly(Self.keys)
    let metadata = AdapterMetadata(
      baseModel: try config.member("base_model_name_or_path").string(),
      modelType: try config.member("model_type").string(), taskType: try config.member("task_type").string(),
      labels: try config.member("labels").strings(), problemType: try config.optional("problem_type")?.string(),
      loraAlpha: try config.member("lora_alpha").number(),
      loraDropout: try config.member("lora_dropout").number(), useRSLoRA: try config.member("use_rslora").bool(),
      targetModules: try TargetModules(config.member("target_modules")), step: try config.member("step").integer())
    return (try table(metadata), metadata)
  }

  /// The method, with the options that the file gives.
  private func method() throws -> AdapterMethod {
    let strategy = try config.member("strategy"), name = try strategy.string()
    guard let named = methods.first(where: { $0.name == name }) else {
      let names = methods.map(\.name).joined(separator: ", ")
      throw strategy.error(.wrongValue(expected: "one of \(names)", found: JSONWriter.quoted(name.clipped)))
    }
    // Without what a run has put on it: the file says what it has.
    let method = try named.with(options(of: named))
    return try method.with(additions(method))
  }

  /// The options that the file gives; without any, those of `method`.
  private func options(of method: AdapterMethod) throws -> MethodValues {
    guard let section = try config.optional("options") else { return method.options }
    try section.requireOnly(method.declaredOptions.map(\.key))
    var values = MethodValues()
    for option in method.declaredOptions {
      let field = try section.member(option.key)
      guard let value = option.value(field.node) else {
        throw field.error(
          .wrongValue(expected: option.expected, found: JSONWriter.text(field.node.value, pretty: false)))
      }
      values[option.key] = value
    }
    return values
  }

  /// What is put on `method`, which must take it.
  private func additions(_ method: AdapterMethod) throws -> MethodAdditions {
    var additions = MethodAdditions()
    if let field = try config.optional("use_dora"), try field.bool() {
      guard method.takesDoRA else { throw field.error("strategy \(method.name) does not take it") }
      additions.usesDoRA = true
    }
    if let field = try config.optional("init_lora_weights") {
      guard let start = AdapterStart(name: try field.string()), method.takesStarts else {
        throw field.error("strategy \(method.name) does not take it")
      }
      additions.start = start
    }
    additions.startsFromMean = try config.optional("init_from_mean")?.bool() ?? false
    return additions
  }

  private func table(_ metadata: AdapterMetadata) throws -> SiteTable {
    let method = try method()
    let entries = try config.member("sites").members().map { (try site($0, $1), $1) }
    var seen: [String: Set<Int>] = [:]
    for (site, entry) in entries where !seen[site.module, default: []].insert(site.layer).inserted {
      throw entry.error("\(site.module) of layer \(site.layer) occurs twice")
    }
    let r = try config.member("r").size()
    var table = try SiteTable(
      sites: entries.map(\.0), method: method, r: r, scale: metadata.scale(method, rank: r),
      alpha: metadata.loraAlpha,
      ranks: method.hasAdapters ? entries.map { try $0.1.optional("r")?.size() ?? r } : nil,
      scales: method.hasAdapters ? entries.map { try $0.1.optional("scale")?.number() } : nil)
    for (_, entry) in entries {
      try entry.requireOnly(["layer", "module", "slice_of", "first_row", "r", "scale"] + table.roles.map(\.name))
    }
    if method.procedure?.mergesLayers == true { try tie(&table, as: entries) }
    for (position, (_, entry)) in entries.enumerated() where method.hasAdapters {
      for key in table.keys(ofSiteAt: position) {
        try entry.require(key.role.name, table.name(of: key)) { try $0.string() }
      }
    }
    return table
  }

  /// Ties the layers of every module whose entries name the same tensor, under the highest of them.
  private func tie(_ table: inout SiteTable, as entries: [(Site, JSONField)]) throws {
    var ties: [TensorKey: TensorKey] = [:]
    for role in table.roles {
      var keys: [String: [TensorKey]] = [:]
      for (position, (site, entry)) in entries.enumerated() {
        guard let key = table.keys(ofSiteAt: position).first(where: { $0.role == role }) else { continue }
        keys["\(site.module) \(try entry.member(role.name).string())", default: []].append(key)
      }
      for group in keys.values {
        let keys = group.uniqued().sorted { ($0.layer ?? 0) < ($1.layer ?? 0) }
        for key in keys.dropLast() { ties[key] = keys[keys.count - 1] }
      }
    }
    table.tie(ties)
  }

  /// The model's map at `path`, which the entry must describe as it is.
  private func site(_ path: String, _ entry: JSONField) throws -> Site {
    guard let site = sites[path] else {
      let nearest = nearestName(to: path, among: sites.keys.sorted()).map { "; did you mean \($0)?" } ?? ""
      throw entry.error("no linear map of the model\(nearest)")
    }
    try entry.require("layer", site.layer) { try $0.integer() }
    try entry.require("module", site.module) { try $0.string() }
    if let slice = site.slice {
      try entry.require("slice_of", slice.path) { try $0.string() }
      try entry.require("first_row", slice.firstRow) { try $0.integer() }
    } else if let slice = try entry.optional("slice_of") {
      throw slice.error("this map is not a slice")
    }
    return site
  }
}

extension JSONField {
  /// Throws if the member `key` is not `expected`.
  fileprivate func require<Value: Equatable>(
    _ key: String, _ expected: Value, _ read: (JSONField) throws -> Value
  ) throws {
    let field = try member(key), found = try read(field)
    if found != expected { throw field.error(.wrongValue(expected: "\(expected)", found: "\(found)")) }
  }
}
