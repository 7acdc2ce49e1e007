import Kernels
import Models
import StrictJSON
import Testing

@testable import Adapters

@Suite struct DoRATests {
  private static let dora = AdapterMethod.lora.withDoRAAdded

  /// zoo.md, and with one A for all layers.
  @Test func counts() throws {
    let llama = stack(layers: 28, [("q_proj", 3072, 3072), ("v_proj", 3072, 1024)])
    let large = try SiteTable(sites: llama, method: Self.dora, r: 32)
    #expect(large.parameterCount == 9_289_728)
    #expect(large.keys(ofSiteAt: 1).map(large.shape) == [[32, 3072], [1024, 32], [1024]])
    let base = try SiteTable(sites: queryValue(layers: 12, hidden: 768), method: Self.dora, r: 8)
    #expect(base.parameterCount == 313_344)
    #expect(base.keys(ofSiteAt: 0).map(base.shape) == [[8, 768], [768, 8], [768]])
    let shared = try SiteTable(
      sites: queryValue(layers: 12, hidden: 768), method: AdapterMethod.shareAB.withDoRAAdded, r: 8)
    #expect(shared.parameterCount == 24_576 + 24 * 768)
    #expect(shared.tensors.filter { $0.role == .magnitude }.count == 24)
    #expect(shared.tensors.allSatisfy { shared.tensor($0).trains })
  }

  @Test func mergesLeaveEveryLayerItsMagnitudes() throws {
    var table = try SiteTable(sites: queryValue(layers: 4, hidden: 8), method: AdapterMethod.aslora.withDoRAAdded, r: 2)
    let before = table.tensors.filter { $0.role == .magnitude }
    table.mergeB(module: "attention.self.query", lowerLayer: 1, upperLayer: 2)
    #expect(table.tensors.filter { $0.role == .magnitude } == before && before.count == 8)
    #expect(table.tensors.filter { $0.role == .b }.count == 7)
  }

  @Test func onlyProductsWithoutScalesOfTheirOwnTakeThem() {
    #expect(AdapterMethod.aslora.takesDoRA && AdapterMethod.loraXS.takesDoRA)
    #expect(!AdapterMethod.rosa.takesDoRA && !AdapterMethod.headOnly.takesDoRA && !Self.dora.takesDoRA)
  }

  private func random(_ count: Int, _ stream: UInt64) -> [Float] {
    Philox(seed: 3).normal(count, deviation: 1, stream: stream)
  }

  private func tensors(a: [Float], b: [Float], m: [Float], weight: [Float]) -> SiteTensors {
    let site = stack(layers: 1, [("mlp", 6, 5)])[0]
    return SiteTensors(
      site: site, rank: 2, scale: 0.5, maps: AdaptedMaps([site], ranks: [1]), values: [.a: a, .b: b, .magnitude: m],
      baseWeight: SiteWeight(weight, outFeatures: 5, inFeatures: 6))
  }

  /// ‖W_i + ½ (B A)_i‖, the sum formed.
  private func norms(a: [Float], b: [Float], weight: [Float]) -> [Double] {
    (0..<5).map { row in
      (0..<6).reduce(0.0) { sum, column in
        let product = Double(b[2 * row]) * Double(a[column]) + Double(b[2 * row + 1]) * Double(a[6 + column])
        let value = Double(weight[6 * row + column]) + 0.5 * product
        return sum + value * value
      }.squareRoot()
    }
  }

  @Test func productIsScaledToTheMagnitudes() throws {
    let (a, b, m, weight) = (random(12, 1), random(10, 2), random(5, 3), random(30, 4))
    let form = try #require(Self.dora.form), site = tensors(a: a, b: b, m: m, weight: weight)
    let product = form.build(site), norms = norms(a: a, b: b, weight: weight)
    #expect(product.rank == 2 && product.a == a && product.b == b)
    let scale = try #require(product.rowScale)
    for row in 0..<5 { #expect(abs(Double(scale[row]) * norms[row] - Double(m[row])) < 1e-5) }
    // The norm is a constant: A and B get what the product gets, m the scale's gradient over the norm.
    let gradient = SiteProduct(rank: 2, a: random(12, 5), b: random(10, 6), rowScale: random(5, 7))
    let pulled = form.pullBack(site, gradient)
    #expect(pulled[.a] == gradient.a && pulled[.b] == gradient.b)
    var made = site
    made.rowScale = scale
    let outer = try #require(gradient.rowScale)
    for own in [pulled[.magnitude], form.pullBack(made, gradient)[.magnitude]] {
      let own = try #require(own)
      for row in 0..<5 { #expect(abs(Double(own[row]) * norms[row] - Double(outer[row])) < 1e-5) }
    }
  }

  /// A row of zeros has no direction: it stays zero, where PEFT divides zero by zero.
  @Test func aRowOfZerosStaysFinite() throws {
    let form = try #require(Self.dora.form)
    let weight = [Float](repeating: 0, count: 6) + random(24, 4)
    let site = tensors(
      a: random(12, 1), b: [Float](repeating: 0, count: 10), m: [0, 1, 1, 1, 1], weight: weight)
    #expect(form.build(site).rowScale?[0] == 0)
    let gradient = SiteProduct(rank: 2, a: random(12, 5), b: random(10, 6), rowScale: random(5, 7))
    #expect(form.pullBack(site, gradient)[.magnitude]?[0] == 0)
  }

  /// m starts as the norms, so that the scale is exactly one: for B = 0, for factors of W, and for products of other
  /// tensors.
  @Test(arguments: ["true", "pissa", "olora", "orthogonal", "lora-xs"])
  func startsAtOne(start: String) throws {
    var additions = MethodAdditions()
    additions.usesDoRA = true
    additions.start = AdapterStart(name: start) ?? .standard
    let sites = stack(layers: 2, [("mlp", 6, 5)])
    let method = (start == "lora-xs" ? AdapterMethod.loraXS : .lora).with(additions)
    let weights = BaseWeights(
      Dictionary(
        uniqueKeysWithValues: sites.map {
          ($0.path, SiteWeight(random(30, UInt64($0.layer)), outFeatures: 5, inFeatures: 6))
        }))
    var state = TrainableState(
      table: try SiteTable(sites: sites, method: method, r: 2, scale: 0.7), head: [], weights: weights)
    try state.initializeAdapter(philox: Philox(seed: 1))
    for position in 0..<2 {
      let site = state.tensors(ofSiteAt: position), product = try #require(method.form).build(site)
      #expect(product.rowScale == [1, 1, 1, 1, 1])
      let lengths = Dense.rowDots(site.weight.floats(), site.weight.floats(), rows: 5).map { $0.squareRoot() }
      #expect(zip(site[.magnitude], lengths).allSatisfy { abs($0 - $1) < (start == "lora-xs" ? 1e-2 : 1e-5) })
    }
  }

  @Test func nativeFilesSayIt() throws {
    let sites = queryValue(layers: 2, hidden: 4), directory = try TemporaryDirectory()
    let table = try SiteTable(sites: sites, method: AdapterMethod.shareA.withDoRAAdded, r: 2, scale: 4)
    let adapter = StoredAdapter(
      table: table,
      tensors: Dictionary(uniqueKeysWithValues: table.tensors.map { ($0, random(table.tensor($0).count, 1)) }),
      head: [:],
      metadata: AdapterMetadata(
        baseModel: "m", modelType: "bert", taskType: "SEQ_CLS", labels: [], loraAlpha: 8,
        targetModules: .suffixes(["q"])))
    try AdapterFile.write(adapter, to: directory.path)
    let read = try AdapterFile.read(directory.path, sites: sites)
    #expect(read == adapter && read.table.method.additions.usesDoRA)
    #expect(read.table.method != .shareA && read.table.method.title == "share-a with use_dora")
    let text = try directory.text(AdapterFile.configName)
    #expect(text.contains("\"use_dora\": true") && text.contains("\"format_version\": 6"))
    #expect(throws: AdapterFormatError.needsWeights(strategy: "share-a with use_dora")) { try read.expanded }
    try directory.replace("\"share-a\"", with: "\"none\"", in: AdapterFile.configName)
    let error = try #require(
      #expect(throws: JSONFieldError.self) { try AdapterFile.read(directory.path, sites: sites) })
    #expect(error.description.hasSuffix("use_dora: strategy none does not take it"), "\(error)")
  }
}

extension AdapterMethod {
  /// With `use_dora`.
  var withDoRAAdded: AdapterMethod {
    var additions = MethodAdditions()
    additions.usesDoRA = true
    return with(additions)
  }
}
