import Checkpoints
import StrictJSON

/// Writes any of our adapters as an ordinary LoRA adapter of Hugging Face PEFT, each map with its own A and B.
///
///     try PEFTExport(adapter, geometry: geometry).write(to: "exported")
///
/// Slices of a fused map become one LoRA on the fused map: their A's stacked, their B's in the rows of the slice and
/// the columns of its A, so that the rank is the sum of theirs.
public struct PEFTExport: Sendable {
  private let geometry: ModelGeometry
  private let metadata: AdapterMetadata
  private let rank: Int
  /// What is written, slices already fused.
  public let expanded: ExpandedAdapter

  /// The export of `adapter`, whose maps are those of `geometry` (`SiteTable.requireFit`).
  public init(_ adapter: StoredAdapter, geometry: ModelGeometry) {
    self.geometry = geometry
    metadata = adapter.metadata
    rank = adapter.table.rank
    let plain = adapter.expanded
    expanded = ExpandedAdapter(
      entries: geometry.sites.filter { $0.slice == nil }.compactMap { site in
        plain.entries.first { $0.site.path == site.path } ?? Self.fused(site, from: plain.entries)
      }, head: plain.head)
  }

  /// Writes `adapter_model.safetensors` and `adapter_config.json` into `directory`, which exists.
  public func write(to directory: String) throws {
    var tensors = expanded.head.map { name, tensor in
      SafetensorsTensor(name: "base_model.model.\(name)", shape: tensor.shape, tensor.values)
    }
    for entry in expanded.entries {
      let name = "base_model.model.\(geometry.basePrefix).\(entry.site.path)"
      tensors.append(
        SafetensorsTensor(name: name + ".lora_A.weight", shape: [entry.rank, entry.site.inFeatures], entry.a))
      tensors.append(
        SafetensorsTensor(name: name + ".lora_B.weight", shape: [entry.site.outFeatures, entry.rank], entry.b))
    }
    try SafetensorsWriter.write(tensors, metadata: ["format": "pt"], to: "\(directory)/\(AdapterFile.tensorsName)")
    try AtomicFile.write(JSONWriter.text(config, pretty: true), to: "\(directory)/\(AdapterFile.configName)")
  }

  /// One LoRA on `site` from those on its slices, or nil where none is adapted.
  private static func fused(_ site: Site, from entries: [ExpandedAdapter.Entry]) -> ExpandedAdapter.Entry? {
    let slices = entries.filter { $0.site.slice?.path == site.path }
    guard let first = slices.first else { return nil }
    let rank = slices.reduce(0) { $0 + $1.rank }
    var b = [Float](repeating: 0, count: site.outFeatures * rank)
    var column = 0
    for entry in slices {
      for row in 0..<entry.site.outFeatures {
        let start = (row + (entry.site.slice?.firstRow ?? 0)) * rank + column
        b.replaceSubrange(start..<(start + entry.rank), with: entry.b[(row * entry.rank)..<((row + 1) * entry.rank)])
      }
      column += entry.rank
    }
    return ExpandedAdapter.Entry(site: site, rank: rank, scale: first.scale, a: slices.flatMap(\.a), b: b)
  }

  private var config: JSONValue {
    let special = expanded.entries.filter { $0.rank != rank }
    let head = Set(expanded.head.keys.compactMap { $0.split(separator: ".").first.map(String.init) }).sorted()
    return [
      "peft_type": "LORA", "task_type": .string(metadata.taskType),
      "base_model_name_or_path": .string(metadata.baseModel), "r": .integer(rank),
      "lora_alpha": plain(metadata.loraAlpha), "lora_dropout": plain(metadata.loraDropout),
      "use_rslora": .bool(metadata.useRSLoRA), "fan_in_fan_out": .bool(geometry.config.family == .gpt2),
      "target_modules": .strings(targetModules),
      "rank_pattern": .members(special.map { (fullPath($0.site), .integer($0.rank)) }),
      "alpha_pattern": .members(special.map { (fullPath($0.site), plain(alpha(of: $0))) }),
      "modules_to_save": head.isEmpty ? .null : .strings(head), "bias": "none", "init_lora_weights": true,
      "inference_mode": true,
    ]
  }

  /// The alpha that gives the entry its scale at its rank.
  private func alpha(of entry: ExpandedAdapter.Entry) -> Double {
    entry.scale / loraScale(alpha: 1, rank: entry.rank, useRSLoRA: metadata.useRSLoRA)
  }

  /// Names that select exactly the adapted maps by PEFT's suffix rule: module types where they do, else full paths.
  private var targetModules: [String] {
    let paths = expanded.entries.map(\.site.path)
    var seen: Set<String> = []
    let modules = expanded.entries.map(\.site.module).filter { seen.insert($0).inserted }
    let maps = geometry.sites.filter { $0.slice == nil }
    let selected = try? TargetSelection(modules).select(from: maps, basePrefix: geometry.basePrefix)
    return selected?.map(\.path) == paths ? modules : expanded.entries.map { fullPath($0.site) }
  }

  private func fullPath(_ site: Site) -> String { "\(geometry.basePrefix).\(site.path)" }
}

/// 16 rather than 16.0.
func plain(_ number: Double) -> JSONValue {
  Int(exactly: number).map(JSONValue.integer) ?? .number(number)
}
