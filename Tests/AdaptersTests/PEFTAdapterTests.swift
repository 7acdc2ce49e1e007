import Checkpoints
import Diagnostics
import Foundation
import Models
import StrictJSON
import Testing

@testable import Adapters

/// The fixture is written, and the expected numbers are printed, by scripts/golden/peft_adapter.py.
@Suite struct PEFTAdapterTests {
  static let golden = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Golden/peft-lora"
  let geometry: ModelGeometry

  init() throws {
    let config = #"{"model_type":"bert","hidden_size":8,"num_hidden_layers":2,"num_attention_heads":2}"#
    geometry = ModelGeometry(try ModelConfig(json: config))
  }

  /// A copy of the fixture that a test may damage.
  private func copy() throws -> TemporaryDirectory {
    let directory = try TemporaryDirectory()
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
      try FileManager.default.copyItem(atPath: "\(Self.golden)/\(name)", toPath: "\(directory.path)/\(name)")
    }
    return directory
  }

  private func read(_ path: String = golden) throws -> PEFTAdapter {
    try PEFTAdapter.read(path, geometry: geometry)
  }

  @Test func updatesEqualThoseOfPEFT() throws {
    let expected: [(path: String, rank: Int, scale: Double, sum: Double, corner: Double)] = [
      ("encoder.layer.0.attention.self.query", 2, 4.0, 64.5267231, -5.03265047),
      ("encoder.layer.0.attention.self.value", 4, 2.0, -26.8000519, -0.30360058),
      ("encoder.layer.1.attention.self.query", 2, 4.0, 20.1773832, -15.5968847),
      ("encoder.layer.1.attention.self.value", 4, 1.0, 4.70019037, -2.16301918),
    ]
    #expect(try AdapterFile.isNative(Self.golden) == false)
    let adapter = try read()
    #expect(try adapter.expanded.entries.map(\.site.path) == expected.map(\.path))
    #expect(Set(adapter.targetModules?.names ?? []) == ["query", "value"])
    #expect(try adapter.expanded.head.mapValues(\.shape) == ["classifier.weight": [3, 8], "classifier.bias": [3]])
    for (entry, expected) in zip(try adapter.expanded.entries, expected) {
      #expect((entry.rank, entry.scale) == (expected.rank, expected.scale))
      let update = product(b: entry.b, a: entry.a, rank: entry.rank, scale: entry.scale)
      #expect(abs(update.reduce(0, +) - expected.sum) < 1e-4)
      #expect(abs(update[0] - expected.corner) < 1e-5)
    }
    let uniform = try adapter.expanded.uniform()
    #expect(uniform.table.rank == 4 && uniform.scale == 4)
    for (position, entry) in try adapter.expanded.entries.enumerated() {
      let padded = product(
        b: uniform.tensors[uniform.table.key(.b, ofSiteAt: position)!] ?? [],
        a: uniform.tensors[uniform.table.key(.a, ofSiteAt: position)!] ?? [], rank: uniform.table.ranks[position],
        scale: uniform.table.scales[position] ?? uniform.scale)
      #expect(padded == product(b: entry.b, a: entry.a, rank: entry.rank, scale: entry.scale))
    }
  }

  @Test func differingLayersCannotStartSharing() throws {
    let adapter = try read()
    let query = ExpandedAdapter(
      entries: try adapter.expanded.entries.filter { $0.site.module == "attention.self.query" }, head: [:])
    let table = try SiteTable(sites: query.entries.map(\.site), method: .shareA, r: 2)
    #expect(
      throws: AdapterError.valuesDiffer(
        strategy: "share-a", role: .a, module: "attention.self.query", firstLayer: 0, otherLayers: [1])
    ) { try query.initialise(table, scale: 4) }
    let lora = try SiteTable(sites: query.entries.map(\.site), method: .lora, r: 2)
    #expect(try query.initialise(lora, scale: 4)[lora.key(.b, ofSiteAt: 1)!] == query.entries[1].b)
  }

  @Test func otherTypesAreRefusedByName() throws {
    let directory = try copy()
    try directory.replace("\"LORA\"", with: "\"LOHA\"", in: "adapter_config.json")
    let error = try #require(#expect(throws: JSONFieldError.self) { try read(directory.path) })
    #expect(error.description.contains(": peft_type: \"LOHA\" is not supported, only LORA"), "\(error)")
  }

  @Test(arguments: [
    ("\"use_qalora\": false", "\"use_qalora\": true", "use_qalora: true"),
    ("\"bias\": \"none\"", "\"bias\": \"all\"", "bias: \"all\""),
    ("\"init_lora_weights\": true", "\"init_lora_weights\": \"loftq\"", "init_lora_weights: \"loftq\""),
    ("\"use_bdlora\": null", "\"from_the_future\": {\"x\": 1}", "from_the_future: {\"x\":1}"),
    (
      "\"modules_to_save\": [", "\"modules_to_save\": [\"lm_head\",",
      "modules_to_save: [\"lm_head\",\"classifier\",\"score\"]"
    ),
  ])
  func otherAdaptersAreRefusedByName(old: String, new: String, named: String) throws {
    let directory = try copy()
    try directory.replace(old, with: new, in: "adapter_config.json")
    let error = try #require(#expect(throws: JSONFieldError.self) { try read(directory.path) })
    #expect(error.place.file == "\(directory.path)/adapter_config.json")
    #expect(
      error.description.hasSuffix(
        ": \(named) is not supported; it may change what the adapter computes"), "\(error)")
  }

  @Test(arguments: [
    ("\"layers_pattern\": null", "\"layers_pattern\": \"layer\"", "layers_pattern: needs layers_to_transform"),
    ("\"r\": 2", "\"r\": 0", "r: must be at least 1, not 0"),
    (
      "\"init_lora_weights\": true", "\"init_lora_weights\": \"pissa_niter_4\"",
      "init_lora_weights: what PEFT took out of the base model's weights depends on random numbers of that run; convert the "
        + "adapter in Python: save_pretrained with path_initial_model_for_weight_conversion"
    ),
    ("\"peft_type\": \"LORA\",", "", "not an adapter of PEFT (peft_type is missing)"),
  ])
  func wrongMembersAreNamed(old: String, new: String, message: String) throws {
    let directory = try copy()
    try directory.replace(old, with: new, in: "adapter_config.json")
    let error = try #require(#expect(throws: JSONFieldError.self) { try read(directory.path) })
    #expect(error.description.hasSuffix(": \(message)"), "\(error)")
  }

  @Test func expressionsThatAreNoneAreRefused() throws {
    for (old, new, place) in [
      ("\"value\": 4", "\"val(\": 4", "rank_pattern.val(: \"val(\" is not a regular expression: "),
      (
        "\"exclude_modules\": null", "\"exclude_modules\": \"*\"",
        "exclude_modules: \"*\" is not a regular expression: "
      ),
    ] {
      let directory = try copy()
      try directory.replace(old, with: new, in: "adapter_config.json")
      let error = try #require(#expect(throws: JSONFieldError.self) { try read(directory.path) })
      #expect(error.description.contains(place), "\(error)")
    }
  }

  @Test func mapsThatTheConfigLeavesOutAreRefused() throws {
    for (old, new, path) in [
      ("\"layers_to_transform\": null", "\"layers_to_transform\": 0", "bert.encoder.layer.1.attention.self.query"),
      ("\"exclude_modules\": null", "\"exclude_modules\": [\"value\"]", "bert.encoder.layer.0.attention.self.value"),
    ] {
      let directory = try copy()
      try directory.replace(old, with: new, in: "adapter_config.json")
      let error = try #require(#expect(throws: AdapterFileError.self) { try read(directory.path) })
      #expect(error.problem == .notChosen(path, config: "adapter_config.json"))
    }
    let more = try copy()
    try more.replace("\"query\"", with: "\"query\", \"key\"", in: "adapter_config.json")
    let error = try #require(#expect(throws: AdapterFileError.self) { try read(more.path) })
    #expect(error.description.contains("self.key.lora_A.weight\" is missing"), "\(error)")
  }

  @Test func aPickleIsToBeConverted() throws {
    let directory = try copy()
    try FileManager.default.moveItem(
      atPath: "\(directory.path)/adapter_model.safetensors", toPath: "\(directory.path)/adapter_model.bin")
    let error = try #require(#expect(throws: AdapterFileError.self) { try read(directory.path) })
    #expect(error.problem == .pickle && error.file.hasSuffix("/adapter_model.bin"))
  }

  @Test func aRankThatIsNotThatOfTheTensorsIsRefused() throws {
    let directory = try copy()
    try directory.replace("\"value\": 4", with: "\"value\": 3", in: "adapter_config.json")
    let error = try #require(#expect(throws: AdapterFileError.self) { try read(directory.path) })
    #expect(error.description.hasSuffix("has the shape [4, 8], expected [3, 8]"), "\(error)")
  }

  @Test(arguments: [
    ("base_model.model.bert.pooler.lora_B.weight", "matches no adapted module"),
    ("bert.encoder.layer.0.attention.self.key.lora_A.weight", "matches no adapted module"),
    ("base_model.model.bert.pooler.lora_A.weight", "the model has no linear map bert.pooler"),
    (
      "base_model.model.bert.encoder.layer.0.attention.self.key.lora_A.weight",
      "has tensors for bert.encoder.layer.0.attention.self.key, which adapter_config.json does not choose"
    ),
    ("base_model.model.bert.encoder.layer.0.attention.self.query.lora_magnitude_vector", "matches no adapted module"),
  ])
  func unusedKeysAreRefused(name: String, message: String) throws {
    let directory = try copy()
    let path = "\(directory.path)/adapter_model.safetensors"
    let stored = try SafetensorsFile(path: path)
    var tensors = try stored.names.map { SafetensorsTensor(name: $0, try stored.tensor($0)) }
    tensors.append(SafetensorsTensor(name: name, shape: [2, 8], [Float](repeating: 1, count: 16)))
    try SafetensorsWriter.write(tensors, to: path)
    let error = #expect(throws: AdapterFileError.self) { try read(directory.path) }
    #expect(error?.description.contains(message) == true, "\(String(describing: error))")
  }

  /// s · B A.
  private func product(b: [Float], a: [Float], rank: Int, scale: Double) -> [Double] {
    let columns = a.count / rank
    return (0..<(b.count / rank)).flatMap { row in
      (0..<columns).map { column in
        scale * (0..<rank).reduce(0) { $0 + Double(b[row * rank + $1]) * Double(a[$1 * columns + column]) }
      }
    }
  }
}
