import Adapters
import Diagnostics
import Testing

@testable import Models

@Suite struct SiteTableTests {
  @Test func strategiesAreFoundByName() throws {
    for strategy in AdapterMethod.all {
      #expect(try AdapterMethod.named(strategy.name).name == strategy.name)
    }
    #expect(throws: AdapterError.unknownStrategy("share_a", known: AdapterMethod.all.map(\.name))) {
      try AdapterMethod.named("share_a")
    }
    #expect(
      AdapterError.unknownStrategy("share_a", known: ["lora", "share-a", "none"]).description == """
        adapter.strategy: unknown strategy "share_a", did you mean "share-a"? (one of lora, share-a, none)
        """)
  }

  @Test(arguments: [
    ("lora", 294_912), ("share-a", 159_744), ("share-b", 159_744), ("share-ab", 24_576), ("share-a-qkv", 159_744),
    ("aslora", 159_744), ("none", 0),
  ])
  func countsOfRobertaBase(strategy: String, count: Int) throws {
    let table = try SiteTable(
      sites: queryValue(layers: 12, hidden: 768), method: .named(strategy), r: 8)
    #expect(table.parameterCount == count)
  }

  @Test func orderIsByModuleThenSideThenLayer() throws {
    let sites = queryValue(layers: 2, hidden: 4)
    let table = try SiteTable(sites: sites, method: .shareA, r: 2)
    #expect(
      table.tensors.map(table.name) == [
        "shared.attention.self.query.lora_A.weight",
        "encoder.layer.0.attention.self.query.lora_B.weight", "encoder.layer.1.attention.self.query.lora_B.weight",
        "shared.attention.self.value.lora_A.weight",
        "encoder.layer.0.attention.self.value.lora_B.weight", "encoder.layer.1.attention.self.value.lora_B.weight",
      ])
    for position in sites.indices {
      #expect(table.keys(ofSiteAt: position).map(\.role) == [.a, .b])
      for key in table.keys(ofSiteAt: position) { #expect(table.tensors.contains(key)) }
    }
    #expect(table.groups(module: "attention.self.query") == [[0], [1]])
    #expect(try SiteTable(sites: sites, method: .shareB, r: 2).groups(module: "attention.self.query") == [[0, 1]])
  }

  @Test func shapesAreThoseOfPEFT() throws {
    let table = try SiteTable(sites: stack(layers: 1, [("mlp", 6, 10)]), method: .lora, r: 3)
    #expect(table.tensors.map(table.shape) == [[3, 6], [10, 3]])
  }

  @Test func oneLayerMakesAllStrategiesEqual() throws {
    let sites = queryValue(layers: 1, hidden: 8)
    let lora = try SiteTable(sites: sites, method: .lora, r: 4)
    for strategy in AdapterMethod.all
    where strategy.hasAdapters && strategy.form == nil && strategy.declaredOptions.isEmpty {
      let table = try SiteTable(sites: sites, method: strategy, r: 4)
      #expect(table.tensors.map(table.shape) == lora.tensors.map(lora.shape))
      #expect(table.tensors.map(table.initialisationKey) == lora.tensors.map(lora.initialisationKey))
    }
  }

  @Test func sharedTensorsStartAsLayerZeroOfLoRA() throws {
    let sites = queryValue(layers: 3, hidden: 8)
    let lora = try SiteTable(sites: sites, method: .lora, r: 4)
    let shared = try SiteTable(sites: sites, method: .shareAB, r: 4)
    for side in [TensorRole.a, .b] {
      #expect(
        shared.initialisationKey(shared.key(side, ofSiteAt: 5)!) == lora.initialisationKey(lora.key(side, ofSiteAt: 1)!)
      )
    }
    #expect(Set(lora.tensors.map(lora.initialisationKey)).count == lora.tensors.count)
  }

  @Test func initialisationKeysAreStable() throws {
    let table = try SiteTable(sites: queryValue(layers: 1, hidden: 8), method: .lora, r: 4)
    #expect(table.initialisationKey(table.tensors[0]) == 6_975_795_189_628_040_404)
  }

  @Test func mergingIsOneEditOfTheTable() throws {
    let module = "attention.self.query"
    let sites = queryValue(layers: 4, hidden: 8)
    let start = try SiteTable(sites: sites, method: .aslora, r: 4)
    var table = start
    table.mergeB(module: module, lowerLayer: 1, upperLayer: 2)
    let upper = TensorKey(role: .b, module: module, layer: 2)
    #expect(table.key(.b, ofSiteAt: 2)! == upper && table.key(.b, ofSiteAt: 4)! == upper)
    #expect(table.groups(module: module) == [[0], [1, 2], [3]])
    #expect(table.groups(module: "attention.self.value") == start.groups(module: "attention.self.value"))
    #expect(Set(start.tensors).subtracting(table.tensors) == [TensorKey(role: .b, module: module, layer: 1)])
    #expect(table.parameterCount == start.parameterCount - 8 * 4)
    table.mergeB(module: module, lowerLayer: 2, upperLayer: 3)
    #expect(table.groups(module: module) == [[0], [1, 2, 3]])
    #expect(table.name(of: table.key(.b, ofSiteAt: 2)!) == "encoder.layer.3.attention.self.query.lora_B.weight")
    for key in table.tensors {
      for position in table.users(of: key) { #expect(table.key(key.role, ofSiteAt: position) == key) }
    }
  }

  @Test func ranksAboveTheSmallerDimensionAreRefusedTogether() throws {
    let sites = stack(layers: 1, [("query", 8, 4), ("value", 16, 16), ("dense", 4, 32)])
    let error = #expect(throws: ErrorList.self) { try SiteTable(sites: sites, method: .lora, r: 5) }
    #expect(
      error?.description == """
        adapter.r: 5 is above the smaller dimension of encoder.layer.0.query (out_features 4)
        adapter.r: 5 is above the smaller dimension of encoder.layer.0.dense (in_features 4)
        """)
    #expect(throws: AdapterError.rankNotPositive(0)) { try SiteTable(sites: sites, method: .lora, r: 0) }
  }

  @Test func layersOfDifferentShapesCannotShare() throws {
    let sites = [8, 6].enumerated().map { layer, width in
      Site(layer: layer, module: "query", path: "layer.\(layer).query", inFeatures: width, outFeatures: 8)
    }
    #expect(try SiteTable(sites: sites, method: .shareB, r: 2).tensors.count == 3)
    #expect(throws: AdapterError.self) { try SiteTable(sites: sites, method: .shareA, r: 2) }
  }
}
