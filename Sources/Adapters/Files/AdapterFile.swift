import Checkpoints
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
  /// The newest format. Version 1 has A's and B's only; version 2 any tensor that a method declares.
  static let formatVersion = 2
  static let headPrefix = "head."

  /// Writes both files into `directory`, which exists. The config comes last.
  public static func write(_ adapter: StoredAdapter, to directory: String) throws {
    let table = adapter.table
    var tensors = table.tensors.map { key in
      SafetensorsTensor(name: table.name(of: key), shape: table.shape(key), adapter.tensors[key] ?? [])
    }
    tensors += adapter.head.map { SafetensorsTensor(name: headPrefix + $0, shape: $1.shape, $1.values) }
    try SafetensorsWriter.write(tensors, metadata: ["format": "pt"], to: "\(directory)/\(tensorsName)")
    try AtomicFile.write(JSONWriter.text(config(of: adapter), pretty: true), to: "\(directory)/\(configName)")
  }

  /// Whether the directory's config is one of ours rather than PEFT's. Throws where it is missing or is not JSON.
  public static func isNative(_ directory: String) throws -> Bool {
    try ConfigFields(file: "\(directory)/\(configName)").object["format"]?.string == format
  }

  /// The adapter in `directory`. Throws where the files and the strategy disagree in any name, shape or sharing.
  ///
  /// `sites` are the model's maps, which the adapter must fit.
  public static func read(
    _ directory: String, sites: [Site], methods: [AdapterMethod] = AdapterMethod.all
  ) throws -> StoredAdapter {
    let (table, metadata) = try NativeConfig(file: "\(directory)/\(configName)", sites, methods).decode()
    var file = try AdapterTensors(path: "\(directory)/\(tensorsName)")
    var tensors: [TensorKey: [Float]] = [:]
    for key in table.tensors {
      let user = table.firstUser(of: key).map { table.sites[$0].path } ?? ""
      tensors[key] = try file.take(table.name(of: key), user: user, expected: table.shape(key))
    }
    var head: [String: HeadTensor] = [:]
    for name in file.names where name.hasPrefix(headPrefix) {
      head[String(name.dropFirst(headPrefix.count))] = try file.takeHead(name)
    }
    try file.requireAllTaken()
    return StoredAdapter(table: table, tensors: tensors, head: head, metadata: metadata)
  }

  private static func config(of adapter: StoredAdapter) -> JSONValue {
    let table = adapter.table, metadata = adapter.metadata
    let sites = table.sites.enumerated().map { position, site -> (String, JSONValue) in
      var members: [(String, JSONValue)] = [("layer", .integer(site.layer)), ("module", .string(site.module))]
      members += table.keys(ofSiteAt: position).map { ($0.role.name, .string(table.name(of: $0))) }
      if let slice = site.slice {
        members.append(("slice_of", .string(slice.path)))
        members.append(("first_row", .integer(slice.firstRow)))
      }
      return (site.path, .members(members))
    }
    return [
      "format": .string(format), "format_version": .integer(table.roles.allSatisfy { $0 == .a || $0 == .b } ? 1 : 2),
      "strategy": .string(table.method.name), "r": .integer(table.rank),
      "lora_alpha": plain(metadata.loraAlpha), "lora_dropout": plain(metadata.loraDropout),
      "use_rslora": .bool(metadata.useRSLoRA), "target_modules": .strings(metadata.targetModules),
      "base_model_name_or_path": .string(metadata.baseModel), "model_type": .string(metadata.modelType),
      "task_type": .string(metadata.taskType), "labels": .strings(metadata.labels), "step": .integer(metadata.step),
      "sites": .members(sites),
    ]
  }
}
