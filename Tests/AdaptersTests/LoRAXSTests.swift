import Kernels
import Models
import Testing

@testable import Adapters

@Suite struct LoRAXSTests {
  private static let inner = TensorRole("R")

  /// zoo.md: n · r², RoBERTa-large with four modules of each layer, in the ranks of the authors' scripts.
  @Test(arguments: [(4, 1_536), (8, 6_144), (12, 13_824), (16, 24_576), (20, 38_400), (25, 60_000)])
  func counts(rank: Int, count: Int) throws {
    let sites = stack(
      layers: 24,
      [
        ("attention.self.query", 1024, 1024), ("attention.self.value", 1024, 1024),
        ("attention.output.dense", 1024, 1024), ("output.dense", 4096, 1024),
      ])
    let table = try SiteTable(sites: sites, method: .loraXS, r: rank)
    #expect(table.parameterCount == count)
    let trained = table.tensors.filter { table.tensor($0).trains }
    #expect(trained.count == 96 && trained.allSatisfy { $0.role == Self.inner && table.shape($0) == [rank, rank] })
    #expect(table.keys(ofSiteAt: 3).map(table.shape) == [[rank, 4096], [1024, rank], [rank, rank]])
  }

  private func state(_ weight: [Float], rank: Int = 2) throws -> TrainableState {
    let sites = stack(layers: 1, [("mlp", 6, 5)])
    let table = try SiteTable(sites: sites, method: .loraXS, r: rank)
    let weights = BaseWeights([sites[0].path: SiteWeight(weight, outFeatures: 5, inFeatures: 6)])
    var state = TrainableState(table: table, head: [], weights: weights)
    try state.initializeAdapter(philox: Philox(seed: 1))
    return state
  }

  /// B A is what the r largest singular values make of W, the values on the side of A; R is tiny.
  @Test func startsFromTheWeight() throws {
    let weight = Philox(seed: 2).normal(30, deviation: 1, stream: 1)
    let tensors = try state(weight).tensors(ofSiteAt: 0)
    let exact = try Decompositions.singular(weight, rows: 5, columns: 6, count: 2)
    #expect(zip(tensors[.b], exact.left).allSatisfy { abs($0 - $1) < 1e-4 })
    let a = Dense.scaledRows(exact.right, by: exact.values)
    #expect(zip(tensors[.a], a).allSatisfy { abs($0 - $1) < 1e-3 })
    #expect(tensors[Self.inner].allSatisfy { $0 != 0 && abs($0) < 6e-5 })
  }

  @Test func aWeightWithoutFactorsIsNamed() throws {
    var weight = [Float](repeating: 1, count: 30)
    weight[7] = .nan
    #expect(throws: AdapterError.noFactors(path: "encoder.layer.0.mlp", .notFinite)) { try state(weight) }
    // One of rank 1 and one of rank 0 have factors.
    weight[7] = 1
    #expect(try state(weight).isFinite)
    #expect(try state([Float](repeating: 0, count: 30)).isFinite)
  }

  @Test func filesNeedNotHoldTheVectors() throws {
    var values = MethodValues()
    values["save_projection"] = false
    let weight = Philox(seed: 2).normal(30, deviation: 1, stream: 1), state = try state(weight)
    let sites = state.table.sites, directory = try TemporaryDirectory()
    let table = try SiteTable(sites: sites, method: AdapterMethod.loraXS.with(values), r: 2)
    #expect(table.storedCount == 4 && state.table.storedCount == 4 + 2 * 11)
    let adapter = StoredAdapter(
      table: table, tensors: Dictionary(uniqueKeysWithValues: table.tensors.map { ($0, state[$0]) }), head: [:],
      metadata: AdapterMetadata(
        baseModel: "m", modelType: "bert", taskType: "", labels: [], loraAlpha: 2, targetModules: .suffixes(["mlp"])))
    try AdapterFile.write(adapter, to: directory.path)
    var read = try AdapterFile.read(directory.path, sites: sites)
    #expect(throws: AdapterFormatError.needsWeights(strategy: "lora-xs")) { try read.expanded }
    #expect(throws: AdapterFormatError.needsWeights(strategy: "lora-xs")) { try read.restoreStart() }
    read.weights = BaseWeights([sites[0].path: SiteWeight(weight, outFeatures: 5, inFeatures: 6)])
    try read.restoreStart()
    #expect(read == adapter)
  }

  @Test func productAndGradient() throws {
    let form = try #require(AdapterMethod.loraXS.form)
    let site = stack(layers: 1, [("mlp", 3, 2)])[0]
    let b: [Float] = [1, 2, 3, 4], r: [Float] = [5, 6, 7, 8], a: [Float] = [1, 2, 3, 4, 5, 6]
    let tensors = SiteTensors(
      site: site, rank: 2, scale: 1, maps: AdaptedMaps([site], ranks: [2]), values: [.a: a, .b: b, Self.inner: r],
      baseWeight: nil)
    let product = form.build(tensors)
    #expect(product == SiteProduct(rank: 2, a: a, b: [19, 22, 43, 50]))
    // d(Σ G ⊙ B R)/dR = Bᵀ G.
    let gradient = SiteProduct(rank: 2, a: [Float](repeating: 9, count: 6), b: [1, 0, 0, 2])
    #expect(form.pullBack(tensors, gradient) == [Self.inner: [1, 6, 2, 8]])
  }
}
