import Checkpoints
import Diagnostics
import Models
import StrictJSON

/// Decodes the config of our own adapter directory into the table that it describes.
struct NativeConfig {
  private let fields: ConfigFields
  private let sites: [String: Site]
  private let methods: [AdapterMethod]

  private static let keys = [
    "format", "format_version", "strategy", "r", "lora_alpha", "lora_dropout", "use_rslora", "target_modules",
    "base_model_name_or_path", "model_type", "task_type", "labels", "step", "sites",
  ]

  init(file: String, _ sites: [Site], _ methods: [AdapterMethod]) throws {
    fields = try ConfigFields(file: file)
    self.sites = Dictionary(sites.map { ($0.path, $0) }) { first, _ in first }
    self.methods = methods
  }

  func decode() throws -> (table: SiteTable, metadata: AdapterMetadata) {
    guard fields.object["format"]?.string == AdapterFile.format else {
      throw fields.failure(.otherFormat(expected: "a native adapter of swift-peft"))
    }
    let version = try fields.integer("format_version")
    if version > AdapterFile.formatVersion { throw fields.failure(.newerFormat(version)) }
    try fields.requireOnly(Self.keys)
    let metadata = AdapterMetadata(
      baseModel: try fields.string("base_model_name_or_path"), modelType: try fields.string("model_type"),
      taskType: try fields.string("task_type"), labels: try fields.strings("labels"),
      loraAlpha: try fields.number("lora_alpha"), loraDropout: try fields.number("lora_dropout"),
      useRSLoRA: try fields.bool("use_rslora"), targetModules: try fields.strings("target_modules"),
      step: try fields.integer("step"))
    return (try table(), metadata)
  }

  private func table() throws -> SiteTable {
    let name = try fields.string("strategy")
    guard let method = methods.first(where: { $0.name == name }) else {
      let names = methods.map(\.name).joined(separator: ", ")
      throw fields.failure(.wrongField("strategy", expected: "one of \(names)"), at: fields.object["strategy"])
    }
    let section = try fields.fields("sites")
    let entries = try section.object.keys.map { (try site($0, in: section), try section.fields($0)) }
    var seen: [String: Set<Int>] = [:]
    for (site, entry) in entries where !seen[site.module, default: []].insert(site.layer).inserted {
      throw entry.failure(.duplicateSite(module: site.module, layer: site.layer))
    }
    var table = try SiteTable(sites: entries.map(\.0), method: method, r: try fields.integer("r"))
    for (_, entry) in entries {
      try entry.requireOnly(["layer", "module", "slice_of", "first_row"] + table.roles.map(\.name))
    }
    if method.procedure != nil { try merge(&table, as: entries) }
    for (position, (site, entry)) in entries.enumerated() where method.hasAdapters {
      for key in table.keys(ofSiteAt: position) {
        let named = try entry.string(key.role.name), expected = table.name(of: key)
        if named != expected {
          throw entry.failure(.wrongSharing(path: site.path, role: key.role, named: named, expected: expected))
        }
      }
    }
    return table
  }

  /// Ties the layers of every module whose entries name the same B, under the highest of them.
  private func merge(_ table: inout SiteTable, as entries: [(Site, ConfigFields)]) throws {
    var ties: [TensorKey: TensorKey] = [:]
    let named = try entries.map { (site: $0, b: try $1.string(TensorRole.b.name)) }
    for ofModule in Dictionary(grouping: named, by: \.site.module).values {
      for group in Dictionary(grouping: ofModule, by: \.b).values {
        let layers = Set(group.map(\.site.layer)).sorted()
        for layer in layers.dropLast() {
          func key(_ layer: Int) -> TensorKey { TensorKey(role: .b, module: group[0].site.module, layer: layer) }
          ties[key(layer)] = key(layers[layers.count - 1])
        }
      }
    }
    table.tie(ties)
  }

  /// The model's map at `path`, which the entry must describe as it is.
  private func site(_ path: String, in section: ConfigFields) throws -> Site {
    let entry = try section.fields(path)
    guard let site = sites[path] else {
      throw entry.failure(.unknownModule(path, nearest: nearestName(to: path, among: sites.keys.sorted())))
    }
    func expect(_ key: String, _ isRight: Bool, _ expected: String) throws {
      if !isRight { throw entry.failure(.wrongField("sites.\(path).\(key)", expected: expected)) }
    }
    try expect("layer", entry.integer("layer") == site.layer, "\(site.layer)")
    try expect("module", entry.string("module") == site.module, "\"\(site.module)\"")
    try expect("slice_of", entry.object["slice_of"]?.string == site.slice?.path, site.slice?.path ?? "nothing")
    if let slice = site.slice {
      try expect("first_row", entry.integer("first_row") == slice.firstRow, "\(slice.firstRow)")
    }
    return site
  }
}
