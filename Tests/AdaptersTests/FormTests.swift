import Diagnostics
import Foundation
import Kernels
import Models
import StrictJSON
import Testing

@testable import Adapters

/// Methods with forms on a small map, against their formulas written plainly.
@Suite struct FormTests {
  private let sites = stack(layers: 3, [("attention.self.query", 8, 12), ("attention.self.value", 8, 4)])
  private let philox = Philox(seed: 7)

  private func table(_ method: AdapterMethod, _ options: [String: JSONValue] = [:], r: Int = 4) throws -> SiteTable {
    var values = MethodValues()
    for (key, value) in options { values[key] = value }
    return try SiteTable(sites: sites, method: method.with(values), r: r, alpha: 8)
  }

  /// Random numbers in every trained tensor, what the frozen ones start with, and the product of the map at `position`.
  private func product(_ table: SiteTable, at position: Int) throws -> (SiteTensors, SiteProduct) {
    let tensors = table.tensors(ofSiteAt: position, nil) { key in
      let tensor = table.tensor(key), stream = table.initialisationKey(key)
      return tensor.trains
        ? philox.normal(tensor.count, deviation: 1, stream: stream)
        : tensor.startValues(philox, stream: stream, alpha: table.alpha)
    }
    return (tensors, try #require(table.method.form).build(tensors))
  }

  /// B A of the product, [out, in].
  private func change(_ product: SiteProduct, _ site: Site) -> [Float] {
    Dense.product(site.outFeatures, site.inFeatures, product.rank, product.b, product.a)
  }

  private func expectClose(_ found: [Float], _ expected: [Float], _ location: SourceLocation = #_sourceLocation) {
    #expect(found.count == expected.count, sourceLocation: location)
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-4 }, sourceLocation: location)
  }

  @Test func vera() throws {
    let table = try table(.vera, r: 6)
    for position in [0, 3] {
      let (tensors, product) = try product(table, at: position), site = tensors.site
      let d = tensors[VeRA.d], b = tensors[VeRA.b], sharedA = tensors[VeRA.sharedA], sharedB = tensors[VeRA.sharedB]
      #expect(sharedA.count == 6 * 8 && sharedB.count == 12 * 6)
      let expected = (0..<site.outFeatures).flatMap { row in
        (0..<8).map { column in
          b[row] * (0..<6).reduce(Float(0)) { $0 + sharedB[row * 6 + $1] * d[$1] * sharedA[$1 * 8 + column] }
        }
      }
      expectClose(change(product, site), expected)
    }
    // Kaiming-uniform before a ReLU: √(6 / fan in).
    let (tensors, _) = try product(table, at: 0)
    let bound = Float(6.0 / 8).squareRoot()
    let largest = tensors[VeRA.sharedA].map(abs).max() ?? 0
    #expect(largest <= bound && largest > 0.8 * bound)
  }

  /// What a site shares with the one before it is read once, and nothing else.
  @Test(arguments: [AdapterMethod.vera, .tiedLoRA, .rasa, .aslora])
  func sitesReadOneAfterAnotherSeeTheirOwnTensors(method: AdapterMethod) throws {
    var state = TrainableState(table: try SiteTable(sites: sites, method: method, r: 4, alpha: 8), head: [])
    for (number, key) in state.table.tensors.enumerated() {
      state[key] = [Float](repeating: Float(number), count: state[key].count)
    }
    var known: [TensorKey: [Float]] = [:]
    for position in [0, 1, 2, 3, 5, 2] {
      #expect(state.tensors(ofSiteAt: position, reusing: &known).values == state.tensors(ofSiteAt: position).values)
    }
  }

  /// A seed of the projection's own: another run's seed draws the same.
  @Test func veraDrawsFromItsOwnSeed() throws {
    let table = try table(.vera), key = TensorKey.ofAllModules(VeRA.sharedA), tensor = table.tensor(key)
    let one = tensor.startValues(Philox(seed: 1), stream: 5, alpha: 1)
    #expect(one == tensor.startValues(Philox(seed: 2), stream: 5, alpha: 1))
    let other = try self.table(.vera, ["projection_prng_key": 3]).tensor(key)
    #expect(one != other.startValues(Philox(seed: 1), stream: 5, alpha: 1))
  }

  @Test func tiedLoRA() throws {
    let (tensors, product) = try product(table(.tiedLoRA), at: 2), a = tensors[.a], b = tensors[.b]
    let u = tensors[TensorRole("u")], v = tensors[TensorRole("v")]
    let expected = (0..<12).flatMap { row in
      (0..<8).map { column in v[row] * (0..<4).reduce(Float(0)) { $0 + b[row * 4 + $1] * u[$1] * a[$1 * 8 + column] } }
    }
    expectClose(change(product, tensors.site), expected)
  }

  @Test func rasa() throws {
    let table = try table(.rasa, ["k": 1])
    let (tensors, product) = try product(table, at: 0), site = tensors.site
    #expect(product.rank == 3 + 3)
    let a = tensors[.a] + tensors[TensorRole("A_S")], d = tensors[TensorRole("D")] + tensors[TensorRole("D_S")]
    let b = tensors[.b], pool = tensors[TensorRole("B_S")]
    let expected = (0..<12).flatMap { row in
      (0..<8).map { column -> Float in
        var sum: Float = 0
        for i in 0..<6 {
          let left = i < 3 ? b[row * 3 + i] : pool[row * 3 + i - 3]
          sum += left * d[i] * a[i * 8 + column]
        }
        return sum
      }
    }
    expectClose(change(product, site), expected)
    // D: ½ alpha / (r − k) and ½ alpha / (L k).
    for (role, value) in [("D", 8.0 / 6), ("D_S", 8.0 / 6)] {
      let key = try #require(table.key(TensorRole(role), ofSiteAt: 0))
      let start = table.tensor(key).startValues(philox, stream: 1, alpha: table.alpha)
      #expect(start.allSatisfy { abs($0 - Float(value)) < 1e-6 })
    }
  }

  /// h_n = A_nᵀ x_n, cut into k pieces; output block j = B_jᵀ of the pieces j of all h_n.
  @Test(arguments: [0, 2]) func gralora(hybrid: Int) throws {
    let k = 2, r = 4
    let table = try table(.gralora, ["k": 2, "hybrid_r": .integer(hybrid)], r: r)
    let (tensors, product) = try product(table, at: 0), site = tensors.site
    #expect(product.rank == k * r + hybrid)
    let a = tensors[TensorRole("A", fileName: "gralora_A")], b = tensors[TensorRole("B", fileName: "gralora_B")]
    let x = philox.normal(8, deviation: 1, stream: 3)
    var expected = [Float](repeating: 0, count: 12)
    for j in 0..<k {
      for n in 0..<k {
        for t in 0..<(r / k) {
          let h = (0..<4).reduce(Float(0)) { $0 + a[(n * 4 + $1) * r + j * r / k + t] * x[n * 4 + $1] }
          for o in 0..<6 { expected[j * 6 + o] += b[(j * r + n * r / k + t) * 6 + o] * h }
        }
      }
    }
    if hybrid > 0 {
      let generalA = tensors[TensorRole("A_general", fileName: "gralora_A_general.weight")]
      let generalB = tensors[TensorRole("B_general", fileName: "gralora_B_general.weight")]
      let added = Dense.product(12, 1, 8, Dense.product(12, 8, hybrid, generalB, generalA), x)
      expected = zip(expected, added).map { $0 + $1 }
    }
    expectClose(Dense.product(12, 1, 8, change(product, site), x), expected)
    #expect(table.scale == 1)
  }

  /// Pieces of r numbers, summed, times D; 8 is no multiple of 3.
  @Test func miss() throws {
    let (tensors, product) = try product(table(.miss, r: 3), at: 0)
    let d = tensors[TensorRole("D", fileName: "miss_block")], x = philox.normal(8, deviation: 1, stream: 3)
    var sums: [Float] = [0, 0, 0]
    for (index, value) in x.enumerated() { sums[index % 3] += value }
    let expected = (0..<12).map { out in (0..<3).reduce(Float(0)) { $0 + d[$1 * 12 + out] * sums[$1] } }
    expectClose(Dense.product(12, 1, 8, change(product, tensors.site), x), expected)
  }

  @Test func mosUsesEachOfItsChunksOnce() throws {
    let table = try table(.mos, ["chunks": 2, "equivalent_rank": 2, "private_rank": 1], r: 3)
    var owned: [Set<Int>] = []
    for position in [0, 2, 4] {
      let (tensors, _) = try product(table, at: position)
      let a = tensors[TensorRole("A_chunks")].map { Int($0) }, b = tensors[TensorRole("B_chunks")].map { Int($0) }
      #expect(a.count == 6 && Set(a).count == 6 && a.allSatisfy { (0..<12).contains($0) })
      #expect(a != b)
      owned.append(Set(a.filter { $0 >= 6 }))
    }
    // The private chunks of three layers are apart.
    #expect(owned.map(\.count) == [2, 2, 2] && Set(owned.joined()).count == 6)
    let (tensors, product) = try product(table, at: 2)
    let pool = tensors[TensorRole("A_pool")], chosen = tensors[TensorRole("A_chunks")]
    #expect(Array(product.a[4..<8]) == Array(pool[(Int(chosen[1]) * 4)..<(Int(chosen[1]) * 4 + 4)]))
  }

  /// Without `private_rank` a map has one rank of its own, and none where the pool would be too small.
  @Test(arguments: [(2, 4, true), (1, 1, true), (1, 2, false), (nil, 3, true)])
  func mosLeavesRoomForR(e: Int?, r: Int, hasOwn: Bool) throws {
    let table = try table(.mos, ["chunks": 2, "equivalent_rank": e.map { .integer($0) } ?? .null], r: r)
    // Of 3 layers, e ranks and 2 chunks the last 6 belong to the layers if they have some of their own.
    let shared = 6 * ((e ?? 2) - (hasOwn ? 1 : 0))
    for (layer, position) in [0, 2, 4].enumerated() {
      let chosen = try product(table, at: position).0[TensorRole("A_chunks")].map { Int($0) }
      #expect(Set(chosen).count == 2 * r)
      #expect(chosen.filter { $0 >= shared } == (hasOwn ? [shared + 2 * layer, shared + 2 * layer + 1] : []))
    }
  }

  /// One layer: the pool has r ranks.
  @Test func mosPoolsGrowWithR() throws {
    let sites = stack(layers: 1, [("attention.self.query", 8, 12)])
    let table = try SiteTable(sites: sites, method: .mos, r: 6)
    #expect(table.shape(TensorKey(role: TensorRole("A_pool"), module: sites[0].module, layer: nil)) == [6 * 4, 2])
  }

  /// Every piece is the sum of the chosen vectors, by the softmax of their logits.
  @Test func vbLoRA() throws {
    let table = try table(.vbLoRA, ["num_vectors": 5, "vector_length": 4, "topk": 2], r: 3)
    let (tensors, product) = try product(table, at: 2), site = tensors.site
    let bank = tensors[TensorRole("bank", fileName: "vblora_vector_bank")]
    let logitsA = tensors[TensorRole("logits_A", fileName: "vblora_logits_A")]
    let logitsB = tensors[TensorRole("logits_B", fileName: "vblora_logits_B")]
    func piece(_ logits: [Float], _ number: Int) -> [Float] {
      let own = Array(logits[(5 * number)..<(5 * number + 5)])
      let best = own.indices.sorted { own[$0] > own[$1] }.prefix(2), powers = best.map { exp(own[$0]) }
      return (0..<4).map { place in
        zip(best, powers).reduce(Float(0)) { $0 + $1.1 / (powers[0] + powers[1]) * bank[4 * $1.0 + place] }
      }
    }
    // A [r, in] in pieces of its rows; B [out, r] in pieces of its columns, tile by tile.
    expectClose(product.a, (0..<6).flatMap { piece(logitsA, $0) })
    var b = [Float](repeating: 0, count: site.outFeatures * 3)
    for tile in 0..<(site.outFeatures / 4) {
      for column in 0..<3 {
        for (index, value) in piece(logitsB, tile * 3 + column).enumerated() {
          b[(tile * 4 + index) * 3 + column] = value
        }
      }
    }
    expectClose(product.b, b)
  }

  /// Sizes of 8, 12 and 4; of MiniLM's 384 and 1536.
  @Test func vbLoRAFindsALengthThatDivides() throws {
    let key = TensorKey.ofAllModules(TensorRole("bank", fileName: "vblora_vector_bank"))
    #expect(try table(.vbLoRA).shape(key) == [256, 4])
    let minilm = stack(layers: 2, [("intermediate.dense", 384, 1536)])
    #expect(try SiteTable(sites: minilm, method: .vbLoRA, r: 4).shape(key) == [256, 192])
  }

  @Test func uniLoRAUsesEveryNumberEquallyOften() throws {
    let table = try table(.uniLoRA, ["theta_d_length": 30], r: 2)
    // D = 3 · 2 · ((8 + 12) + (8 + 4)) = 192 = 6 · 30 + 12.
    var uses = [Int](repeating: 0, count: 30)
    for position in sites.indices {
      let (tensors, product) = try product(table, at: position)
      let indices = tensors[TensorRole("A_indices")] + tensors[TensorRole("B_indices")]
      let theta = tensors[TensorRole("theta", fileName: "unilora_theta_d")]
      for index in indices { uses[Int(index)] += 1 }
      let scaled = indices.map { theta[Int($0)] / Float($0 < 12 ? 7 : 6).squareRoot() }
      expectClose(product.a + product.b, scaled)
    }
    #expect(uses == [Int](repeating: 7, count: 12) + [Int](repeating: 6, count: 18))
  }

  @Test(arguments: [
    (
      AdapterMethod.gralora, ["k": 3] as [String: JSONValue], 6,
      "adapter.gralora.k: 3 does not divide in_features 8 ("
    ),
    (.gralora, ["k": 4], 6, "adapter.gralora.k: 4 does not divide r 6 ("),
    (.gralora, ["hybrid_r": 5], 4, "adapter.gralora.hybrid_r: 5 is above the smaller dimension 4 ("),
    (.rasa, ["k": 4], 4, "adapter.rasa.k: 4 leaves none of the 4 ranks to the map ("),
    (.mos, ["chunks": 3], 4, "adapter.mos.chunks: 3 does not divide in_features 8 ("),
    (.mos, ["private_rank": 3], 4, "adapter.mos.private_rank: 3 is above equivalent_rank 2 ("),
    (.mos, ["private_rank": 2], 1, "adapter.mos.private_rank: 2 is above r = 1 ("),
    (
      .mos, ["private_rank": 1, "equivalent_rank": 1], 4,
      "adapter.mos.equivalent_rank: 1 leaves 0 shared ranks where r - private_rank is 3; at least 2 is needed ("
    ),
    (
      .mos, ["equivalent_rank": 1], 4,
      "adapter.mos.equivalent_rank: 1 leaves 3 shared ranks where r - private_rank is 4; at least 2 is needed ("
    ),
    (.vbLoRA, ["vector_length": 3], 4, "adapter.vb-lora.vector_length: 3 does not divide in_features 8 ("),
    (
      .vbLoRA, ["num_vectors": 2, "topk": 3], 4, "adapter.vb-lora.topk: 3 is above num_vectors 2"
    ),
    (
      .uniLoRA, ["theta_d_length": 1000], 4,
      "adapter.uni-lora.theta_d_length: 1000 is above the 384 numbers of all A and B"
    ),
  ])
  func sizesThatDoNotFitAreNamed(
    method: AdapterMethod, options: [String: JSONValue], r: Int, sentence: String
  ) throws {
    let error = #expect(throws: (any Error).self) { try table(method, options, r: r) }
    let lines = "\(try #require(error))".split(separator: "\n").map(String.init)
    // What is no map's is said once.
    let isOfModel = !sentence.hasSuffix(" (")
    #expect(isOfModel ? lines == [sentence] : lines.contains { $0.hasPrefix(sentence) }, "\(lines)")
  }

  @Test(arguments: [
    (
      AdapterMethod.gralora, ["k": 3, "hybrid_r": 5] as [String: JSONValue], 4,
      ["gralora.k: 3 does not divide r", "gralora.k: 3 does not divide in", "gralora.hybrid_r: 5 is above"]
    ),
    (
      .mos, ["chunks": 3, "private_rank": 6, "equivalent_rank": 5], 4,
      ["mos.chunks: 3", "mos.private_rank: 6 is above r", "mos.private_rank: 6 is above equivalent_rank"]
    ),
    (
      .vbLoRA, ["vector_length": 3, "num_vectors": 2, "topk": 3], 4, ["vb-lora.vector_length: 3", "vb-lora.topk: 3"]
    ),
    (
      .multiLevel, ["levels": [["scope": "map", "rank": 5], ["scope": "groups", "k": 9]] as JSONValue], 4,
      ["multi-level.levels: rank 5 of level 1", "multi-level.levels: k = 9 of level 2"]
    ),
  ])
  func allSizesThatDoNotFitAreNamedAtOnce(
    method: AdapterMethod, options: [String: JSONValue], r: Int, problems: [String]
  ) throws {
    let error = "\(try #require(#expect(throws: (any Error).self) { try table(method, options, r: r) }))"
    for problem in problems { #expect(error.contains("adapter.\(problem)"), "\(error)") }
  }
}
