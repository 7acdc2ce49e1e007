import Checkpoints
import Diagnostics
import Models
import StrictJSON
import Testing

@testable import Adapters

/// Ranks and scales of single maps: from a config's patterns to files.
@Suite struct PlacementTests {
  private let geometry: ModelGeometry

  init() throws {
    geometry = ModelGeometry(
      try ModelConfig(
        json: """
          {"model_type":"bert","hidden_size":8,"num_hidden_layers":3,"num_attention_heads":2,"intermediate_size":16}
          """))
  }

  private func placement(_ names: [String] = ["query", "value"]) -> AdapterPlacement {
    AdapterPlacement(TargetSelection(names), r: 4, loraAlpha: 8)
  }

  private func adapter(_ placement: AdapterPlacement, _ method: AdapterMethod = .lora) throws -> StoredAdapter {
    let table = try placement.table(geometry, method: method)
    var random = SplitMix(state: 5)
    return StoredAdapter(
      table: table,
      tensors: Dictionary(
        uniqueKeysWithValues: table.tensors.map { ($0, random.floats(table.shape($0).reduce(1, *))) }),
      head: [:],
      metadata: AdapterMetadata(
        baseModel: "m", modelType: "bert", taskType: "SEQ_CLS", labels: [], loraAlpha: 8,
        targetModules: placement.selection.targets))
  }

  @Test func patternsGiveRanksScalesAndCounts() throws {
    var placement = placement()
    placement.rankPattern = [ModuleValue(#"layer\.[12]\..*query"#, 2), ModuleValue("query", 8)]
    placement.alphaPattern = [ModuleValue("value", 2)]
    let table = try placement.table(geometry, method: .lora)
    #expect(table.ranks == [8, 4, 2, 4, 2, 4])
    #expect(table.scales == [1, 0.5, 4, 0.5, 4, 0.5])
    #expect(table.parameterCount == 16 * (8 + 4 + 2 + 4 + 2 + 4))
  }

  @Test func nativeFilesKeepRanksAndScales() throws {
    var placement = placement()
    placement.rankPattern = [ModuleValue("1.attention.self.query", 2)]
    placement.alphaPattern = [ModuleValue("0.attention.self.value", 3)]
    let adapter = try adapter(placement), directory = try TemporaryDirectory()
    try AdapterFile.write(adapter, to: directory.path)
    #expect(try AdapterFile.read(directory.path, sites: geometry.sites) == adapter)
    #expect(try adapter.expanded.entries.map(\.rank) == [4, 4, 2, 4, 4, 4])
    #expect(try adapter.expanded.entries.map(\.scale) == [2, 0.75, 4, 2, 2, 2])
  }

  @Test func exportsHaveThePatternsOfPEFT() throws {
    var placement = placement()
    placement.rankPattern = [ModuleValue("1.attention.self.query", 3)]
    placement.alphaPattern = [ModuleValue("0.attention.self.value", 3)]
    let adapter = try adapter(placement), directory = try TemporaryDirectory()
    try PEFTExport(adapter, geometry: geometry).write(to: directory.path)
    #expect(try PEFTAdapter.read(directory.path, geometry: geometry).expanded == adapter.expanded)
    let config = try JSONField(file: "\(directory.path)/adapter_config.json")
    #expect(
      try config.member("rank_pattern").members().map(\.key) == ["bert.encoder.layer.1.attention.self.query"])
    #expect(
      try config.member("alpha_pattern").members().map(\.key) == ["bert.encoder.layer.0.attention.self.value"])
  }

  @Test func sharedTensorsNeedOneRank() throws {
    var one = placement()
    one.rankPattern = [ModuleValue("1.attention.self.query", 2)]
    let error = #expect(throws: AdapterError.self) { try one.table(geometry, method: .shareA) }
    #expect(
      error?.description == """
        adapter.rank_pattern: share-a shares one A between encoder.layer.0.attention.self.query of rank 4 and \
        encoder.layer.1.attention.self.query of rank 2
        """)
    // Of one rank for all layers of a module type, tensors can be shared.
    var whole = placement()
    whole.rankPattern = [ModuleValue("query", 2)]
    #expect(try whole.table(geometry, method: .shareA).parameterCount == 8 * (2 + 4) + 3 * 8 * (2 + 4))
    #expect(try whole.table(geometry, method: .aslora).rank(ofModule: "attention.self.query") == 2)
    var scaled = placement()
    scaled.alphaPattern = [ModuleValue("0.attention.self.query", 2)]
    #expect(try scaled.table(geometry, method: .shareA).scales[0] == 0.5)
    #expect(
      throws: AdapterError.mergedDiffer(
        strategy: "aslora", module: "attention.self.query", first: "encoder.layer.0.attention.self.query",
        second: "encoder.layer.1.attention.self.query")
    ) { try scaled.table(geometry, method: .aslora) }
  }

  @Test func whatNamesNothingIsAnError() throws {
    func message(_ change: (inout AdapterPlacement) -> Void) -> String? {
      var placement = placement()
      change(&placement)
      do { _ = try placement.table(geometry, method: .lora) } catch { return "\(error)" }
      return nil
    }
    #expect(
      message { $0.rankPattern = [ModuleValue("key", 2), ModuleValue("uery", 2)] } == """
        adapter.rank_pattern: "key" matches no adapted map (it must match the end of a path from a dot on)
        adapter.rank_pattern: "uery" matches no adapted map (it must match the end of a path from a dot on)
        """)
    #expect(
      message { $0.alphaPattern = [ModuleValue("(", 2)] }?.hasPrefix("adapter.alpha_pattern: \"(\" is not") == true)
    #expect(
      message { $0.selection.targets = .expression("query") } == """
        adapter.target_modules: the regular expression "query" matches no whole path of a linear map; for a name write \
        ["query"]
        """)
    #expect(
      message { $0.selection.excluded = ["banana"] }
        == "adapter.exclude_modules: \"banana\" matches no linear map of the model")
    #expect(
      message { $0.selection.layers = [0, 3, 7] }
        == "adapter.layers_to_transform: the model has no layers 3, 7, only 0 to 2")
    #expect(
      message {
        $0.selection.layers = [0]
        $0.selection.layersPattern = ["h"]
      } == "adapter.layers_pattern: h stands before no layer's number in any path of the model")
    #expect(message { $0.selection.excluded = ["query", "value"] } == AdapterError.nothingLeft.description)
    #expect(
      message { $0.rankPattern = [ModuleValue("query", 9)] }?.contains("9 is above the smaller dimension") == true)
  }

  @Test func allThatIsWrongIsNamedAtOnce() throws {
    func lines(
      _ method: AdapterMethod, _ change: (inout AdapterPlacement) -> Void = { _ in }
    ) throws -> [String] {
      var placement = AdapterPlacement(TargetSelection(["query", "value"]), r: 4, loraAlpha: 8)
      change(&placement)
      let error = #expect(throws: (any Error).self) { try placement.table(geometry, method: method) }
      return "\(try #require(error))".split(separator: "\n").map { $0.split(separator: ":")[0].description }
    }
    #expect(
      try lines(.miss) {
        $0.useRSLoRA = true
        $0.alphaPattern = [ModuleValue("query", 2)]
        $0.rankPattern = [ModuleValue("key", 2)]
      } == ["adapter.use_rslora", "adapter.alpha_pattern", "adapter.rank_pattern"])
    #expect(
      try lines(.miss) {
        $0.useRSLoRA = true
        $0.selection.excluded = ["banana"]
      } == ["adapter.use_rslora", "adapter.exclude_modules"])
    #expect(
      try lines(.lora) {
        $0.rankPattern = [ModuleValue("key", 2), ModuleValue("query", 9)]
      }.sorted() == ["adapter.r", "adapter.r", "adapter.r", "adapter.rank_pattern"])
    #expect(
      try lines(.lora) {
        $0.selection.targets = .suffixes(["nothing"])
        $0.alphaPattern = [ModuleValue("(", 3)]
      } == ["adapter.alpha_pattern", "adapter.target_modules"])
    #expect(
      try lines(AdapterMethod.miss.withCLoRA(CLoRAOptions()).withLoRAPlus(ratio: 4)) == [
        "adapter.clora", "adapter.lora_plus_ratio",
      ])
    var mean = MethodAdditions()
    (mean.start, mean.startsFromMean) = (.olora, true)
    #expect(try lines(AdapterMethod.lora.with(mean)) == ["adapter.init_from_mean"])
  }

  @Test func aStartFromAnotherScaleIsTheSameFunction() throws {
    let stored = try adapter(placement()).expanded
    let table = try AdapterPlacement(TargetSelection(["query", "value"]), r: 4, loraAlpha: 16)
      .table(geometry, method: .lora)
    let start = try stored.initialise(table, scale: 4)
    for (position, entry) in stored.entries.enumerated() {
      let b = try #require(table.key(.b, ofSiteAt: position)), a = try #require(table.key(.a, ofSiteAt: position))
      #expect(start[b] == entry.b.map { $0 / 2 })
      #expect(start[a] == entry.a)
    }
  }
}
