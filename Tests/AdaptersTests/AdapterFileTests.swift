import Checkpoints
import Diagnostics
import Foundation
import StrictJSON
import Testing

@testable import Adapters
@testable import Models

/// A directory that is removed at the end of the test.
final class TemporaryDirectory {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func text(_ name: String) throws -> String { try String(contentsOfFile: "\(path)/\(name)", encoding: .utf8) }

  func replace(_ old: String, with new: String, in name: String) throws {
    let text = try text(name)
    #expect(text.contains(old))
    try AtomicFile.write(text.replacingOccurrences(of: old, with: new), to: "\(path)/\(name)")
  }
}

@Suite struct AdapterFileTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory() }

  private func read(_ sites: [Site]? = nil) throws -> StoredAdapter {
    try AdapterFile.read(directory.path, sites: sites ?? queryValue(layers: 4, hidden: 6))
  }

  private func adapter(_ strategy: AdapterMethod, sites: [Site]? = nil) throws -> StoredAdapter {
    var random = SplitMix(state: 3)
    var table = try SiteTable(sites: sites ?? queryValue(layers: 4, hidden: 6), method: strategy, r: 2)
    if strategy.procedure != nil {
      table.mergeB(module: "attention.self.query", lowerLayer: 0, upperLayer: 2)
      table.mergeB(module: "attention.self.query", lowerLayer: 2, upperLayer: 3)
      table.mergeB(module: "attention.self.value", lowerLayer: 1, upperLayer: 2)
    }
    var tensors: [TensorKey: [Float]] = [:]
    for key in table.tensors { tensors[key] = random.floats(table.shape(key).reduce(1, *)) }
    return StoredAdapter(
      table: table, tensors: tensors,
      head: ["classifier.weight": HeadTensor(shape: [2, 3], values: [1, 2, 3, 4, 5, 6])],
      metadata: AdapterMetadata(
        baseModel: "models/tiny", modelType: "bert", taskType: "SEQ_CLS", labels: ["no", "yes"], loraAlpha: 16,
        loraDropout: 0.1, useRSLoRA: true, targetModules: ["query", "value"]))
  }

  /// Programs of before know no head of several labels, and must not take it for one of classes.
  @Test func headsOfSeveralLabelsAreOfTheNewestVersion() throws {
    var adapter = try adapter(.lora)
    adapter.metadata.problemType = "multi_label_classification"
    try AdapterFile.write(adapter, to: directory.path)
    #expect(try read() == adapter)
    let config = try directory.text(AdapterFile.configName)
    #expect(config.contains("\"format_version\": 4") && config.contains("\"problem_type\": \"multi_label"))
    adapter.metadata.problemType = nil
    try AdapterFile.write(adapter, to: directory.path)
    #expect(try !directory.text(AdapterFile.configName).contains("problem_type"))
  }

  /// Methods with tensors of their own have a test in TrainingTests, on a model that they fit.
  @Test(arguments: AdapterMethod.all.filter { $0.form == nil }.map(\.name))
  func whatIsWrittenIsReadAgain(strategy: String) throws {
    let adapter = try adapter(.named(strategy))
    try AdapterFile.write(adapter, to: directory.path)
    #expect(try AdapterFile.isNative(directory.path))
    #expect(try read() == adapter)
    let file = try SafetensorsFile(path: "\(directory.path)/adapter_model.safetensors")
    let numbers = file.names.reduce(0) { $0 + (file.info($1)?.byteCount ?? 0) } / 4
    #expect(numbers == adapter.table.storedCount + 6, "each distinct number once")
  }

  @Test func slicesAreReadAgain() throws {
    let sites = (0..<2).map { layer in
      Site(
        layer: layer, module: "attn.c_attn.q", path: "h.\(layer).attn.c_attn.q", inFeatures: 6, outFeatures: 6,
        slice: .init(path: "h.\(layer).attn.c_attn", firstRow: 0))
    }
    let adapter = try adapter(.shareA, sites: sites)
    try AdapterFile.write(adapter, to: directory.path)
    #expect(try read(sites) == adapter)
  }

  @Test func configNamesTheTensorsOfEverySite() throws {
    try AdapterFile.write(adapter(.aslora), to: directory.path)
    let config = try JSONParser.parse(directory.text("adapter_config.json"))
    let site = config["sites"]?["encoder.layer.0.attention.self.query"]
    #expect(site?["A"]?.string == "shared.attention.self.query.lora_A.weight")
    #expect(site?["B"]?.string == "encoder.layer.3.attention.self.query.lora_B.weight")
    #expect(config["lora_alpha"]?.value == .integer(16))
    #expect(config["strategy"]?.string == "aslora" && config["r"]?.integer == 2)
  }

  @Test(arguments: [
    (
      "\"share-a\"", "\"share_a\"",
      "4: strategy: must be one of \(AdapterMethod.all.map(\.name).joined(separator: ", ")), not \"share_a\""
    ),
    (
      "\"share-a\"", "\"lora\"",
      "25: sites.encoder.layer.0.attention.self.query.A: must be encoder.layer.0.attention.self.query.lora_A.weight, "
        + "not shared.attention.self.query.lora_A.weight"
    ),
    ("\"r\": 2", "\"rank\": 2", "5: rank: unknown key"),
    ("\"r\": 2", "\"r\": \"2\"", "5: r: must be a whole number, not a string"),
    ("\"step\": 0", "\"stop\": 0", "20: stop: unknown key, did you mean \"step\"?"),
    ("\"format\": \"swift-peft\"", "\"peft_type\": \"LORA\"", "1: not a native adapter of swift-peft"),
    (
      "\"format_version\": 1", "\"format_version\": 7",
      "3: format_version: written by a newer program; this one reads up to version 6"
    ),
    (
      "layer.1.attention.self.query.lora_B", "layer.9.attention.self.query.lora_B",
      "38: sites.encoder.layer.1.attention.self.query.B: must be encoder.layer.1.attention.self.query.lora_B.weight, "
        + "not encoder.layer.9.attention.self.query.lora_B.weight"
    ),
    ("\"layer\": 1", "\"layer\": 0", "35: sites.encoder.layer.1.attention.self.query.layer: must be 1, not 0"),
    (
      "\"layer\": 1,", "\"layer\": 1, \"slice_of\": \"h\",",
      "35: sites.encoder.layer.1.attention.self.query.slice_of: this map is not a slice"
    ),
    (
      "\"encoder.layer.3.attention.self.query\": {", "\"encoder.layer.7.attention.self.query\": {",
      "58: sites.encoder.layer.7.attention.self.query: no linear map of the model; did you mean "
        + "encoder.layer.0.attention.self.query?"
    ),
  ])
  func damagedConfigsAreRefused(old: String, new: String, message: String) throws {
    try AdapterFile.write(adapter(.shareA), to: directory.path)
    try directory.replace(old, with: new, in: "adapter_config.json")
    let error = #expect(throws: (any Error).self) { try read() }
    #expect(error.map { "\($0)" } == "\(directory.path)/adapter_config.json:\(message)")
  }

  /// Whether magnitudes go on a method can depend on its options.
  @Test func theFilesOptionsDecideWhatItCanHave() throws {
    try AdapterFile.write(adapter(.residual), to: directory.path)
    try directory.replace(
      "\"diagonal\": false", with: "\"diagonal\": true", in: "adapter_config.json")
    try directory.replace(
      "\"strategy\": \"residual\",", with: "\"strategy\": \"residual\", \"use_dora\": true,", in: "adapter_config.json")
    let error = #expect(throws: (any Error).self) { try read() }
    #expect(
      "\(try #require(error))".hasSuffix("use_dora: strategy residual does not take it"),
      "\(String(describing: error))")
  }

  @Test func leftOverAndNonFiniteTensorsAreRefused() throws {
    var adapter = try adapter(.lora)
    try AdapterFile.write(adapter, to: directory.path)
    let path = "\(directory.path)/adapter_model.safetensors"
    let stored = try SafetensorsFile(path: path)
    var tensors = try stored.names.map { SafetensorsTensor(name: $0, try stored.tensor($0)) }
    tensors.append(SafetensorsTensor(name: "extra.lora_A.weight", shape: [1], [1]))
    try SafetensorsWriter.write(tensors, to: path)
    #expect(throws: AdapterFileError(file: path, problem: .unusedTensor("extra.lora_A.weight"))) {
      try read()
    }
    let key = adapter.table.tensors[1]
    adapter.tensors[key]?[3] = .nan
    try AdapterFile.write(adapter, to: directory.path)
    #expect(throws: AdapterFileError(file: path, problem: .notFinite(adapter.table.name(of: key)))) {
      try read()
    }
  }

  @Test func theModelMustHaveTheMaps() throws {
    try AdapterFile.write(adapter(.lora), to: directory.path)
    let error = #expect(throws: AdapterFileError.self) { try read(queryValue(layers: 4, hidden: 8)) }
    #expect(
      error?.description
        == "\(directory.path)/adapter_model.safetensors: tensor "
        + "\"encoder.layer.0.attention.self.query.lora_A.weight\" has the shape [2, 6], expected [2, 8]")
  }

  @Test func oneMapOccursOnce() throws {
    let same = [0, 1].map { Site(layer: 0, module: "query", path: "layer.\($0).query", inFeatures: 6, outFeatures: 6) }
    try AdapterFile.write(adapter(.lora, sites: same), to: directory.path)
    let error = #expect(throws: JSONFieldError.self) { try read(same) }
    #expect(
      error?.description
        == "\(directory.path)/adapter_config.json:28: sites.layer.1.query: query of layer 0 occurs twice")
  }

  @Test func expandedAdaptersStartOtherStrategies() throws {
    let shared = try adapter(.shareA)
    let lora = try SiteTable(sites: shared.table.sites, method: .lora, r: 2)
    let start = try shared.expanded.initialise(lora, scale: shared.scale)
    for position in lora.sites.indices {
      for side in [TensorRole.a, .b] {
        #expect(
          start[lora.key(side, ofSiteAt: position)!] == shared.tensors[shared.table.key(side, ofSiteAt: position)!])
      }
    }
    #expect(try shared.expanded.initialise(shared.table, scale: shared.scale) == shared.tensors)
    let tied = try SiteTable(sites: shared.table.sites, method: .shareAB, r: 2)
    let error = #expect(throws: ErrorList.self) { try shared.expanded.initialise(tied, scale: shared.scale) }
    #expect(
      error?.description == """
        adapter.init_from: lora_B of attention.self.query differs between layer 0 and layers 1, 2, 3, \
        but share-ab shares it
        adapter.init_from: lora_B of attention.self.value differs between layer 0 and layers 1, 2, 3, \
        but share-ab shares it
        """)
  }

  @Test func initialisationNeedsTheSameMapsAndRank() throws {
    let adapter = try adapter(.lora)
    let fewer = try SiteTable(sites: Array(adapter.table.sites.dropLast()), method: .lora, r: 2)
    #expect(throws: AdapterError.unusedSites(["encoder.layer.3.attention.self.value"])) {
      try adapter.expanded.initialise(fewer, scale: adapter.scale)
    }
    let more = try SiteTable(sites: queryValue(layers: 5, hidden: 6), method: .lora, r: 2)
    #expect(throws: AdapterError.self) { try adapter.expanded.initialise(more, scale: adapter.scale) }
    let other = try SiteTable(sites: queryValue(layers: 4, hidden: 6), method: .lora, r: 3)
    let path = "encoder.layer.0.attention.self.query"
    #expect(throws: AdapterError.rankDiffers(path: path, adapter: 2, config: 3, others: 7)) {
      try adapter.expanded.initialise(other, scale: adapter.scale)
    }
  }
}
