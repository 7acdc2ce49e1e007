import Checkpoints
import Diagnostics
import StrictJSON

/// Decodes the config of our own adapter directory into the table that it describes.
struct NativeConfig {
  private let fields: ConfigFields
  private let tensors: SafetensorsFile

  private static let keys = [
    "format", "format_version", "strategy", "r", "lora_alpha", "lora_dropout", "use_rslora", "target_modules",
    "base_model_name_or_path", "model_type", "task_type", "labels", "step", "sites",
  ]

  /// What a site says of itself.
  private struct Entry {
    let site: Site
    let names: [Side: String]
    let line: JSONNode?
  }

  init(file: String, tensors: String) throws {
    fields = try ConfigFields(file: file)
    self.tensors = try SafetensorsFile(path: tensors)
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
    let sites = try fields.fields("sites")
    let entries = try sites.object.keys.map { try entry($0, in: sites) }
    var seen: [String: Set<Int>] = [:]
    for case let (site, line) in entries.map({ ($0.site, $0.line) })
    where !seen[site.module, default: []].insert(site.layer).inserted {
      throw fields.failure(.duplicateSite(module: site.module, layer: site.layer), at: line)
    }
    let name = try fields.string("strategy")
    guard let strategy = SharingStrategy.all.first(where: { $0.name == name }) else {
      let names = SharingStrategy.all.map(\.name).joined(separator: ", ")
      throw fields.failure(.wrongField("strategy", expected: "one of \(names)"), at: fields.object["strategy"])
    }
    var table = try SiteTable(sites: entries.map(\.site), strategy: strategy, r: try fields.integer("r"))
    if strategy.mergesWhileTraining { merge(&table, as: entries) }
    for (position, site) in table.sites.enumerated() {
      for side in Side.allCases {
        let named = entries[position].names[side] ?? ""
        let expected = table.name(of: table.key(side, ofSiteAt: position))
        if named != expected {
          throw fields.failure(
            .wrongSharing(path: site.path, side: side, named: named, expected: expected), at: entries[position].line)
        }
      }
    }
    return table
  }

  /// Ties the layers of every module whose entries name the same B, under the highest of them.
  private func merge(_ table: inout SiteTable, as entries: [Entry]) {
    var merges: [(module: String, lowerLayer: Int, upperLayer: Int)] = []
    for (module, ofModule) in Dictionary(grouping: entries, by: \.site.module) {
      for group in Dictionary(grouping: ofModule, by: { $0.names[.b] }).values {
        let layers = Set(group.map(\.site.layer)).sorted()
        for layer in layers.dropLast() { merges.append((module, layer, layers[layers.count - 1])) }
      }
    }
    table.mergeB(merges)
  }

  private func entry(_ path: String, in sites: ConfigFields) throws -> Entry {
    let entry = try sites.fields(path)
    try entry.requireOnly(["layer", "module", "A", "B", "slice_of", "first_row"])
    let names: [Side: String] = [.a: try entry.string("A"), .b: try entry.string("B")]
    var slice: Site.Slice?
    if entry.object["slice_of"] != nil {
      slice = Site.Slice(path: try entry.string("slice_of"), firstRow: try entry.integer("first_row"))
    }
    let site = Site(
      layer: try entry.integer("layer"), module: try entry.string("module"), path: path,
      inFeatures: try dimension(1, of: names[.a], path), outFeatures: try dimension(0, of: names[.b], path),
      slice: slice)
    return Entry(site: site, names: names, line: sites.object[path])
  }

  private func dimension(_ index: Int, of name: String?, _ path: String) throws -> Int {
    let name = name ?? ""
    guard let shape = tensors.info(name)?.shape else {
      throw AdapterFileError(place: tensors.path, problem: .missingTensor(name, user: path))
    }
    guard shape.count == 2 else {
      throw AdapterFileError(place: tensors.path, problem: .notAMatrix(tensor: name, shape: shape))
    }
    return shape[index]
  }
}
