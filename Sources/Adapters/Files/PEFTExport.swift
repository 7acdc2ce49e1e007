import Algorithms
import Checkpoints
import Models
import StrictJSON

/// Writes any of our adapters as an adapter of Hugging Face PEFT: of its own method, where PEFT has that too and can say all
/// of it, otherwise as an ordinary LoRA, each map with its own A and B.
///
///     try PEFTExport(adapter, geometry: geometry).write(to: "exported")
///
/// Slices of a fused map become one LoRA on the fused map: their A's stacked, their B's in the rows of the slice and
/// the columns of its A, so that the rank is the sum of theirs. An adapter without any map (strategy `none`) gets a
/// LoRA of zeros, as PEFT cannot load an adapter without any.
public struct PEFTExport: Sendable {
  private let geometry: ModelGeometry
  private let metadata: AdapterMetadata
  /// What is written in its method's own form; nil for LoRA.
  private let own: (adapter: StoredAdapter, form: PEFTForm)?
  /// Whether the LoRA has DoRA's magnitudes.
  private let usesDoRA: Bool
  private let rank: Int
  private let loraAlpha: Double
  private let pooler: [String: HeadTensor]
  private let revision: String?
  /// Why an adapter of a method that PEFT has too is written as a LoRA, although nobody asked for one; nil if it is not.
  public let whyLoRA: String?
  /// What is written, slices already fused.
  public let expanded: ExpandedAdapter

  /// The export of `adapter`, whose maps are those of `geometry` (`SiteTable.requireFit`).
  ///
  /// `pooler` are the tensors of a pooler that the base model lacks, by their paths: transformers would draw another
  /// one. `revision` is that of a base model on the Hub. `asLoRA` writes a LoRA whatever the method.
  public init(
    _ adapter: StoredAdapter, geometry: ModelGeometry, pooler: [String: HeadTensor] = [:], revision: String? = nil,
    asLoRA: Bool = false
  ) throws {
    self.geometry = geometry
    self.pooler = pooler
    self.revision = revision
    metadata = adapter.metadata
    let form = asLoRA ? nil : adapter.table.method.design.peft
    whyLoRA = form.flatMap { form in
      (form.config == nil ? "can only be read" : adapter.unsaid).map { "PEFT's \(form.type) \($0)" }
    }
    own = whyLoRA == nil ? form.map { (adapter, $0) } : nil
    let fused = try adapter.expanded.fused(geometry)
    let isDoRA = !asLoRA && !fused.entries.isEmpty && fused.entries.allSatisfy { $0.magnitude != nil }
    if own == nil, !isDoRA { try fused.requirePlain(format: asLoRA ? "peft-lora" : "peft") }
    usesDoRA = own == nil && isDoRA
    if let site = geometry.sites.first, fused.entries.isEmpty {
      let zeros = ExpandedAdapter.Entry(
        site: site, rank: 1,
        scale: loraScale(alpha: adapter.metadata.loraAlpha, rank: 1, useRSLoRA: adapter.metadata.useRSLoRA),
        a: [Float](repeating: 0, count: site.inFeatures), b: [Float](repeating: 0, count: site.outFeatures))
      expanded = ExpandedAdapter(entries: [zeros], head: fused.head)
      (rank, loraAlpha) = (1, metadata.loraAlpha)
    } else {
      expanded = fused
      let first = fused.entries[0], design = adapter.table.method.design
      let isPlain = design.form == nil && design.scale == .alphaOverRank
      rank = isPlain ? adapter.table.rank : first.rank
      // PEFT divides by its own r, which may differ from the run's.
      loraAlpha = isPlain ? metadata.loraAlpha : Self.alpha(of: first, metadata)
    }
  }

  /// Writes `adapter_model.safetensors` and `adapter_config.json` into `directory`, which exists.
  public func write(to directory: String) throws {
    var tensors = expanded.head.map { name, tensor in
      SafetensorsTensor(name: "base_model.model.\(name)", shape: tensor.shape, tensor.values)
    }
    tensors += pooler.map { name, tensor in
      SafetensorsTensor(
        name: "base_model.model.\(geometry.basePrefix).\(name)", shape: tensor.shape, tensor.values)
    }
    for entry in own == nil ? expanded.entries : [] {
      let name = "base_model.model.\(geometry.basePrefix).\(entry.site.path)"
      tensors.append(
        SafetensorsTensor(name: name + ".lora_A.weight", shape: [entry.rank, entry.site.inFeatures], entry.a))
      tensors.append(
        SafetensorsTensor(name: name + ".lora_B.weight", shape: [entry.site.outFeatures, entry.rank], entry.b))
      if usesDoRA, let magnitude = entry.magnitude {
        tensors.append(
          SafetensorsTensor(
            name: "\(name).\(TensorRole.magnitude.fileName)", shape: [entry.site.outFeatures], magnitude))
      }
    }
    tensors += ownTensors
    try SafetensorsWriter.write(tensors, metadata: ["format": "pt"], to: "\(directory)/\(AdapterFile.tensorsName)")
    try AtomicFile.write(JSONWriter.text(config, pretty: true), to: "\(directory)/\(AdapterFile.configName)")
  }

  /// `peft_type` of what is written.
  public var peftType: String { own?.form.type ?? "LORA" }

  /// The tensors of the method's own form.
  private var ownTensors: [SafetensorsTensor] {
    guard let own else { return [] }
    let table = own.adapter.table
    return table.sites.indices.flatMap { position -> [SafetensorsTensor] in
      let site = table.sites[position]
      return table.keys(ofSiteAt: position).flatMap { key -> [SafetensorsTensor] in
        guard let tensor = own.form.tensor(key.role),
          !tensor.isOfModel || table.firstUser(of: key) == position
        else { return [] }
        let shape = tensor.shape?(site, table.ranks[position], table.method.options, table.maps) ?? table.shape(key)
        let name = tensor.fileName("\(geometry.basePrefix).\(site.path)"), values = own.adapter.tensors[key] ?? []
        return tensor.stored?(name, shape, values, table.method.options)
          ?? [SafetensorsTensor(name: name, shape: shape, values)]
      }
    }
  }

  private var config: JSONValue {
    let saved = Array(expanded.head.keys) + pooler.keys
    let head = Set(saved.compactMap { $0.split(separator: ".").first.map(String.init) }).sorted()
    let common: [(String, JSONValue)] = [
      ("peft_type", .string(peftType)), ("task_type", .string(metadata.taskType)),
      ("base_model_name_or_path", .string(metadata.baseModel)),
      ("revision", revision.map { .string($0) } ?? .null), ("target_modules", .strings(targetModules)),
      ("modules_to_save", head.isEmpty ? .null : .strings(head)), ("bias", "none"), ("inference_mode", true),
      ("fan_in_fan_out", .bool(geometry.parts.contains { $0.map?.isTransposed == true })),
    ]
    if let own, let config = own.form.config {
      let table = own.adapter.table
      return .members(
        common
          + config(
            PEFTForm.Subject(
              rank: table.rank, metadata: metadata, options: table.method.options, maps: table.maps)))
    }
    let special = expanded.entries.filter { $0.rank != rank }
    let scaled = expanded.entries.filter {
      $0.scale != loraScale(alpha: loraAlpha, rank: $0.rank, useRSLoRA: metadata.useRSLoRA)
    }
    let lora: [(String, JSONValue)] = [
      ("r", .integer(rank)), ("lora_alpha", plain(loraAlpha)), ("lora_dropout", plain(metadata.loraDropout)),
      ("use_rslora", .bool(metadata.useRSLoRA)), ("init_lora_weights", true),
      ("rank_pattern", .members(special.map { (fullPath($0.site), .integer($0.rank)) })),
      ("alpha_pattern", .members(scaled.map { (fullPath($0.site), plain(Self.alpha(of: $0, metadata))) })),
    ]
    return .members(common + lora + (usesDoRA ? [("use_dora", true)] : []))
  }

  /// The alpha that gives the entry its scale at its rank.
  private static func alpha(of entry: ExpandedAdapter.Entry, _ metadata: AdapterMetadata) -> Double {
    let alpha = entry.scale / loraScale(alpha: 1, rank: entry.rank, useRSLoRA: metadata.useRSLoRA)
    let whole = alpha.rounded()
    return loraScale(alpha: whole, rank: entry.rank, useRSLoRA: metadata.useRSLoRA) == entry.scale ? whole : alpha
  }

  /// Names that select exactly the adapted maps by PEFT's suffix rule: module types if they do, else full paths. A
  /// vision tower has modules of the same types.
  private var targetModules: [String] {
    let paths = expanded.entries.map(\.site.path)
    if !geometry.config.architecture.otherModules.isEmpty { return expanded.entries.map { fullPath($0.site) } }
    let modules = Array(expanded.entries.map(\.site.module).uniqued())
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
