import Diagnostics
import Kernels
import Models
import Testing

@testable import Adapters

@Suite struct StartTests {
  private func method(_ start: String, _ base: AdapterMethod = .lora, fromMean: Bool = false) throws -> AdapterMethod {
    var additions = MethodAdditions()
    additions.start = try #require(AdapterStart(name: start))
    additions.startsFromMean = fromMean
    return base.with(additions)
  }

  private let sites = stack(layers: 3, [("mlp", 6, 5)])

  /// A random W [5, 6] per layer.
  private func weight(_ layer: Int) -> [Float] { Philox(seed: 3).normal(30, deviation: 1, stream: UInt64(layer)) }

  private func state(_ method: AdapterMethod, r: Int = 2, scale: Double = 0.5) throws -> TrainableState {
    let table = try SiteTable(sites: sites, method: method, r: r, scale: scale)
    let weights = BaseWeights(
      Dictionary(
        uniqueKeysWithValues: sites.map { ($0.path, SiteWeight(weight($0.layer), outFeatures: 5, inFeatures: 6)) }))
    var state = TrainableState(table: table, head: [], weights: weights)
    try state.initializeAdapter(philox: Philox(seed: 1))
    return state
  }

  private func distance(_ one: [Float], _ other: [Float]) -> Float {
    precondition(one.count == other.count)
    return zip(one, other).reduce(0) { max($0, abs($1.0 - $1.1)) }
  }

  @Test func names() {
    for name in ["gaussian", "pissa", "pissa_niter_0", "pissa_niter_16", "olora", "orthogonal", "mica"] {
      #expect(AdapterStart(name: name)?.name == name)
    }
    for name in ["true", "PiSSA", "pissa_niter_", "pissa_niter_04", "pissa_niter_-1", "eva", "pissa_niter_1001"] {
      #expect(AdapterStart(name: name) == nil)
    }
    #expect(AdapterStart.pissa(iterations: 4).name == "pissa_niter_4")
  }

  /// zoo.md: MiCA trains A alone; the others train as many numbers as LoRA.
  @Test func counts() throws {
    let llama = stack(layers: 28, [("q_proj", 3072, 3072), ("v_proj", 3072, 1024)])
    let mica = try SiteTable(sites: llama, method: method("mica"), r: 32)
    #expect(mica.parameterCount == 5_505_024)
    #expect(mica.keys(ofSiteAt: 1).map(mica.shape) == [[32, 3072], [1024, 32]])
    #expect(mica.keys(ofSiteAt: 1).map { mica.tensor($0).trains } == [true, false])
    for name in ["gaussian", "pissa", "olora", "orthogonal"] {
      let table = try SiteTable(sites: queryValue(layers: 12, hidden: 768), method: method(name), r: 8)
      #expect(table.parameterCount == 294_912)
      let isDifference = ["pissa", "olora"].contains(name)
      #expect(
        table.keys(ofSiteAt: 0).map(table.shape)
          == [[8, 768], [768, 8]] + (isDifference ? [[8, 768], [768, 8]] : []))
    }
  }

  @Test func gaussian() throws {
    let table = try SiteTable(sites: queryValue(layers: 1, hidden: 512), method: method("gaussian"), r: 4)
    var state = TrainableState(table: table, head: [])
    try state.initializeAdapter(philox: Philox(seed: 1))
    let a = state[table.key(.a, ofSiteAt: 0)!].map(Double.init), b = state[table.key(.b, ofSiteAt: 0)!]
    let deviation = (a.reduce(0) { $0 + $1 * $1 } / Double(a.count)).squareRoot()
    #expect(abs(deviation - 0.25) < 0.02 && b.allSatisfy { $0 == 0 })
    let mean = a.reduce(0, +) / Double(a.count)
    #expect(abs(mean) < 0.02)
  }

  /// The best product of rank 2, half of each singular value on both sides, over s; the product of the form is zero.
  @Test(arguments: ["pissa", "pissa_niter_20"]) func pissa(name: String) throws {
    let state = try state(method(name))
    for position in sites.indices {
      let site = state.tensors(ofSiteAt: position)
      let exact = try Decompositions.singular(weight(position), rows: 5, columns: 6, count: 2)
      let roots = exact.values.map { ($0 / 0.5).squareRoot() }
      #expect(distance(site[.a], Dense.scaledRows(exact.right, by: roots)) < 1e-3)
      #expect(distance(site[.b], Dense.scaledColumns(exact.left, by: roots)) < 1e-3)
      try expectNothing(site)
    }
  }

  @Test func olora() throws {
    let state = try state(method("olora"))
    for position in sites.indices {
      let site = state.tensors(ofSiteAt: position)
      let (q, r) = try Decompositions.orthogonal(weight(position), rows: 5, columns: 6)
      #expect(site[.a] == Array(r[0..<12]) && site[.b] == Dense.columns(q, of: 5, from: 0, count: 2))
      try expectNothing(site)
    }
  }

  /// The product of the form is zero, of twice the rank, and pulls the first half of its gradient back.
  private func expectNothing(_ site: SiteTensors) throws {
    let form = try #require(try method("pissa").form), product = form.build(site)
    #expect(form.rank(site.site, 2, site.maps) == 4 && product.rank == 4)
    #expect(product.a == site[.a] + site[.a])
    #expect(Dense.product(5, 6, 4, product.b, product.a).allSatisfy { abs($0) < 1e-5 })
    let gradient = SiteProduct(rank: 4, a: (0..<24).map(Float.init), b: (0..<20).map(Float.init))
    let pulled = form.pullBack(site, gradient)
    #expect(pulled == [.a: (0..<12).map(Float.init), .b: [0, 1, 4, 5, 8, 9, 12, 13, 16, 17]])
  }

  @Test func mica() throws {
    let state = try state(method("mica"))
    for position in sites.indices {
      let site = state.tensors(ofSiteAt: position)
      let exact = try Decompositions.singular(weight(position), rows: 5, columns: 6)
      #expect(site[.a].allSatisfy { $0 == 0 })
      #expect(site[.b] == exact.lastLeft(2))
    }
  }

  /// B A = 0 though neither is, in LoRA and wherever layers share one of them.
  @Test(arguments: [AdapterMethod.lora, .shareA, .shareB, .shareAB].map(\.name))
  func orthogonal(strategy: String) throws {
    let state = try state(method("orthogonal", .named(strategy)))
    for position in sites.indices {
      let site = state.tensors(ofSiteAt: position)
      #expect(distance(site[.a], [Float](repeating: 0, count: 12)) > 0.01)
      #expect(distance(site[.b], [Float](repeating: 0, count: 10)) > 0.01)
      #expect(Dense.product(5, 6, 2, site[.b], site[.a]).allSatisfy { abs($0) < 1e-7 })
    }
    if strategy == "lora" {
      #expect(state.tensors(ofSiteAt: 0)[.a] != state.tensors(ofSiteAt: 1)[.a])
    }
  }

  @Test func orthogonalNeedsAnEvenRank() throws {
    let error = #expect(throws: AdapterError.self) {
      try SiteTable(sites: [sites[0]], method: method("orthogonal"), r: 3)
    }
    #expect(
      error?.description
        == "adapter.init_lora_weights: \"orthogonal\" needs an even rank, not 3 (encoder.layer.0.mlp)")
  }

  @Test(arguments: [("share-a", "A"), ("share-b", "B"), ("aslora", "A")])
  func sharedTensorsStartFromTheMeanOnly(strategy: String, role: String) throws {
    let geometry = try Configs.geometry(Configs.robertaBase)
    let placement = AdapterPlacement(TargetSelection(["query"]), r: 2, loraAlpha: 2)
    let error = #expect(throws: (any Error).self) {
      try placement.table(geometry, method: method("pissa", .named(strategy)))
    }
    #expect(
      "\(try #require(error))" == """
        adapter.init_lora_weights: \(strategy) with init_lora_weights "pissa" starts \(role) from one weight, but 12 maps \
        of attention.self.query share it; init_from_mean: true takes the mean of their weights
        """)
    let table = try placement.table(geometry, method: method("pissa", .named(strategy), fromMean: true))
    // The numbers that are taken out are kept once.
    let kept = table.tensors.filter { !table.tensor($0).trains }
    #expect(kept.map(\.layer) == [nil, nil])
    // What does not come from W can be shared; and of mica only B does.
    #expect(throws: Never.self) { try placement.table(geometry, method: method("gaussian", .named(strategy))) }
    #expect(throws: Never.self) { try placement.table(geometry, method: method("mica", .shareA)) }
  }

  @Test func theMeanGivesBothFactors() throws {
    var mean = [Float](repeating: 0, count: 30)
    for layer in 0..<3 { mean = zip(mean, weight(layer)).map { $0 + $1 / 3 } }
    let exact = try Decompositions.singular(mean, rows: 5, columns: 6, count: 2)
    let roots = exact.values.map { ($0 / 0.5).squareRoot() }
    for strategy in [AdapterMethod.shareA, .shareB, .shareAB] {
      let state = try state(method("pissa", strategy, fromMean: true))
      for position in sites.indices {
        let site = state.tensors(ofSiteAt: position)
        #expect(distance(site[.a], Dense.scaledRows(exact.right, by: roots)) < 1e-4)
        #expect(distance(site[.b], Dense.scaledColumns(exact.left, by: roots)) < 1e-4)
        try expectNothing(site)
      }
    }
  }

  /// Merges tie B's; what is taken out stays.
  @Test func mergesLeaveWhatIsTakenOut() throws {
    var state = try state(method("pissa", .aslora, fromMean: true))
    let b = { TensorKey(role: .b, module: "mlp", layer: $0) }
    state[b(1)] = [Float](repeating: 2, count: 10)
    let first = state.tensors(ofSiteAt: 0)[AdapterMethod.firstB]
    state.tie([(lower: b(0), upper: b(1))])
    let site = state.tensors(ofSiteAt: 0)
    #expect(site[.b] == [Float](repeating: 2, count: 10) && site[AdapterMethod.firstB] == first)
  }

  @Test func methodsDifferByTheirTensors() throws {
    #expect(try method("pissa") != .lora && method("mica") != .lora)
    #expect(try method("pissa") == method("olora") && method("gaussian") == .lora)
    #expect(try method("pissa") != method("pissa", fromMean: true))
    #expect(try method("pissa").title == "lora with init_lora_weights \"pissa\"")
    #expect(AdapterMethod.aslora.takesStarts && !AdapterMethod.loraXS.takesStarts && !AdapterMethod.rosa.takesStarts)
    #expect(!AdapterMethod.headOnly.takesStarts)
    #expect(try !method("pissa").takesStarts)
  }

  /// An adapter of PEFT's lacks what was taken out of W, which is recomputed where that has one answer.
  @Test func peftFilesGetWhatTheyLack() throws {
    func stored(_ name: String, _ weights: [Float], as type: ElementType = .float32) throws -> StoredAdapter {
      let table = try SiteTable(sites: [sites[0]], method: method(name), r: 2, scale: 0.5)
      let tensors = table.tensors.filter { $0.role == .a || $0.role == .b }
      var adapter = StoredAdapter(
        table: table,
        tensors: Dictionary(
          uniqueKeysWithValues: tensors.map { ($0, [Float](repeating: 1, count: table.tensor($0).count)) }),
        head: [:],
        metadata: AdapterMetadata(
          baseModel: "m", modelType: "bert", taskType: "", labels: [], loraAlpha: 1, targetModules: .suffixes(["mlp"])))
      #expect(throws: AdapterFormatError.self) { try adapter.expanded }
      var tensor = FrozenTensor(weights, shape: [5, 6])
      if type == .bfloat16 { tensor = tensor.inBFloat16() }
      adapter.weights = BaseWeights([sites[0].path: SiteWeight(tensor, sites[0], isTransposed: false)])
      try adapter.restoreStart()
      return adapter
    }
    for name in ["pissa", "olora"] {
      let state = try state(method(name)), key = { TensorKey(role: $0, module: "mlp", layer: 0) }
      let adapter = try stored(name, weight(0))
      for role in [AdapterMethod.firstA, AdapterMethod.firstB] {
        #expect(adapter.tensors[key(role)] == state[key(role)])
      }
      #expect(adapter.tensors[key(.a)] == [Float](repeating: 1, count: 12))
      #expect(try adapter.expanded.entries[0].rank == 4)
    }
    func refusal(_ name: String, _ weights: [Float], as type: ElementType = .float32) -> String {
      do { return "\(try stored(name, weights, as: type))" } catch { return "\(error)" }
    }
    let start =
      "encoder.layer.0.mlp: what PEFT took out of the weight, which the adapter's file does not hold, is not known: "
    // Singular values 3, 2, 2 and 0.
    var equal = [Float](repeating: 0, count: 30)
    (equal[0], equal[7], equal[14]) = (3, 2, 2)
    #expect(
      refusal("pissa", equal) == start + "its singular values 2 and 3 are too close to tell their vectors apart")
    // Columns 0 and 1 are the same.
    var dependent = weight(0)
    for row in 0..<5 { dependent[6 * row + 1] = dependent[6 * row] }
    #expect(refusal("olora", dependent) == start + "its first 2 columns are not independent")
    #expect(
      refusal("pissa", weight(0), as: .bfloat16)
        == start + "PEFT rounded the rest of the weight to the checkpoint's BF16")
    let conv = SiteWeight(FrozenTensor(weight(0), shape: [6, 5]), sites[0], isTransposed: true)
    let subject = WeightStart.Subject(
      site: sites[0], rank: 2, scale: 1, weight: conv, philox: Philox(seed: 0), stream: 0)
    #expect(try subject.ambiguity(of: .olora) == "PEFT decomposes the transpose of maps that are stored so")
    #expect(try subject.ambiguity(of: .pissa(iterations: nil)) == nil)
  }

  @Test func nativeFilesSayIt() throws {
    let state = try state(method("pissa_niter_3", .shareA, fromMean: true))
    let directory = try TemporaryDirectory()
    let adapter = StoredAdapter(
      table: state.table, tensors: Dictionary(uniqueKeysWithValues: state.table.tensors.map { ($0, state[$0]) }),
      head: [:],
      metadata: AdapterMetadata(
        baseModel: "m", modelType: "bert", taskType: "SEQ_CLS", labels: [], loraAlpha: 1,
        targetModules: .suffixes(["q"])))
    try AdapterFile.write(adapter, to: directory.path)
    let read = try AdapterFile.read(directory.path, sites: sites)
    #expect(read == adapter)
    #expect(read.table.method.additions == state.table.method.additions)
    #expect(try read.expanded.entries.map(\.rank) == [4, 4, 4])
    try directory.replace("pissa_niter_3", with: "pissa_niter_x", in: AdapterFile.configName)
    #expect(throws: (any Error).self) { try AdapterFile.read(directory.path, sites: sites) }
  }
}
