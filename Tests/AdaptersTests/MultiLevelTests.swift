import Diagnostics
import Kernels
import Models
import StrictJSON
import Testing

@testable import Adapters

/// Levels of sharing on small maps.
@Suite struct MultiLevelTests {
  private static let query = "attention.self.query"
  private let sites = stack(layers: 5, [(Self.query, 8, 12), ("attention.self.value", 8, 4), ("output.dense", 6, 6)])
  private let philox = Philox(seed: 7)

  private func table(_ method: AdapterMethod, _ options: [String: JSONValue], r: Int = 4) throws -> SiteTable {
    var values = MethodValues()
    for (key, value) in options { values[key] = value }
    let method = method.with(values)
    return try SiteTable(
      sites: sites, method: method, r: r, scale: method.design.scale.value(alpha: 8, rank: r, useRSLoRA: false),
      alpha: 8)
  }

  private func levels(_ text: String, r: Int = 4) throws -> SiteTable {
    try table(.multiLevel, ["levels": JSONParser.parse(text).value], r: r)
  }

  /// Random numbers in every tensor.
  private func tensors(_ table: SiteTable, at position: Int) -> SiteTensors {
    table.tensors(ofSiteAt: position, nil) { key in
      philox.normal(table.tensor(key).count, deviation: 1, stream: table.initialisationKey(key))
    }
  }

  /// Which layers of the queries share the A of a level.
  private func sharing(_ table: SiteTable, level: Int) -> [[Int]] {
    var groups: [TensorKey: [Int]] = [:]
    for (position, site) in sites.enumerated() where site.module == Self.query {
      if let key = table.key(SharingLevel.a(level), ofSiteAt: position) { groups[key, default: []].append(site.layer) }
    }
    return groups.values.sorted { $0[0] < $1[0] }
  }

  @Test func scopesSayWhichMapsShare() throws {
    let table = try levels(
      """
      [{"scope": "model", "rank": 1}, {"scope": "type", "rank": 2}, {"scope": "blocks", "k": 3, "rank": 1},
       {"scope": "groups", "k": 2}, {"scope": "layer", "rank": 2}, {"scope": "map", "rank": 3}]
      """)
    let whole = [[0, 1, 2, 3, 4]], single = (0..<5).map { [$0] }
    let expected = [whole, whole, [[0, 1], [2, 3], [4]], [[0, 1], [2, 3], [4]], single, single]
    for (index, groups) in expected.enumerated() {
      #expect(sharing(table, level: index + 1) == groups)
    }
    #expect(
      table.keys(ofSiteAt: 1).map(table.shape) == [
        [1, 8], [12, 1], [2, 8], [4, 2], [1, 8], [4, 1], [4, 8], [4, 4], [2, 8], [12, 2], [3, 8], [4, 3],
      ])
    // Pairs of all types have one user per map; those of a type have not.
    let model = try #require(table.key(SharingLevel.a(1), ofSiteAt: 0))
    let type = try #require(table.key(SharingLevel.a(2), ofSiteAt: 0))
    let layer = try #require(table.key(SharingLevel.a(5), ofSiteAt: 0))
    #expect(table.users(of: model) == Array(sites.indices) && table.users(of: layer) == [0, 1, 2])
    #expect(table.users(of: type) == [0, 3, 6, 9, 12])
    #expect(table.name(of: model) == "shared.all.lora_A1" && table.name(of: layer) == "shared.0.all.lora_A5")
    let block = try #require(table.key(SharingLevel.b(3), ofSiteAt: 0))
    #expect(table.name(of: block) == "encoder.layer.1.attention.self.query.lora_B3")
    #expect(Set(table.tensors.map(table.name)).count == table.tensors.count)
  }

  /// Σ_i alpha_i / rank_i · B_i A_i with the parts of A and B that the map uses.
  @Test func productsAddUpTheLevels() throws {
    let table = try levels(
      #"[{"scope": "model", "rank": 3}, {"scope": "type", "alpha": 2}, {"scope": "map", "rank": 1}]"#)
    #expect(table.scale == 8)
    for position in [0, 1, 2] {
      let tensors = tensors(table, at: position), site = tensors.site
      let product = try #require(table.method.form).build(tensors)
      #expect(product.rank == 8 && product.sparse.isEmpty)
      var expected = [Float](repeating: 0, count: site.outFeatures * site.inFeatures)
      for (number, rank, scale) in [(1, 3, Float(8) / 3), (2, 4, Float(2) / 4), (3, 1, 8)] {
        let a = tensors[SharingLevel.a(number)], b = tensors[SharingLevel.b(number)], width = a.count / rank
        for row in 0..<site.outFeatures {
          for column in 0..<site.inFeatures {
            for i in 0..<rank {
              expected[row * site.inFeatures + column] += scale * b[row * rank + i] * a[i * width + column]
            }
          }
        }
      }
      let found = Dense.product(site.outFeatures, site.inFeatures, product.rank, product.b, product.a).map { 8 * $0 }
      #expect(found.count == expected.count)
      #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-4 })
    }
  }

  /// Against the change of ⟨product, gradient⟩ when one number moves.
  @Test(arguments: [0, 1, 2]) func gradientsAreThoseOfTheProduct(position: Int) throws {
    let table = try table(.residual, ["group_rank": 2, "diagonal": true], r: 3)
    let wide = try levels(#"[{"scope": "model", "rank": 2}, {"scope": "layer", "rank": 1, "alpha": 3}]"#)
    for table in [table, wide] {
      let form = try #require(table.method.form), tensors = tensors(table, at: position)
      let product = form.build(tensors)
      let gradient = SiteProduct(
        rank: product.rank, a: philox.normal(product.a.count, deviation: 1, stream: 1),
        b: philox.normal(product.b.count, deviation: 1, stream: 2),
        sparse: philox.normal(product.sparse.count, deviation: 1, stream: 3))
      func inner(_ role: TensorRole, _ index: Int, _ step: Float) -> Double {
        let moved = form.build(
          table.tensors(ofSiteAt: position, nil) { key in
            var values = tensors[key.role]
            if key.role == role { values[index] += step }
            return values
          })
        let pairs = [(moved.a, gradient.a), (moved.b, gradient.b), (moved.sparse, gradient.sparse)]
        return pairs.reduce(0) { $0 + zip($1.0, $1.1).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
      }
      let found = form.pullBack(tensors, gradient)
      let keys = table.keys(ofSiteAt: position)
      #expect(Set(found.keys) == Set(keys.map(\.role)))
      for key in keys {
        let numbers = try #require(found[key.role])
        #expect(numbers.count == table.tensor(key).count)
        for index in numbers.indices {
          let slope = (inner(key.role, index, 0.5) - inner(key.role, index, -0.5))
          #expect(abs(slope - Double(numbers[index])) < 1e-4, "\(key.role.name) \(index)")
        }
      }
    }
  }

  @Test func everyBStartsAtZero() throws {
    for table in [try table(.mspLoRA, [:]), try table(.bsLoRA, [:]), try table(.residual, ["diagonal": true])] {
      for key in table.tensors {
        let isA = key.role.name.hasPrefix("A"), tensor = table.tensor(key)
        #expect(tensor.start == (isA ? .kaimingUniform : .zeros))
      }
    }
  }

  /// d where there are as many outputs as inputs: places on the diagonal, without a scale.
  @Test func diagonals() throws {
    let table = try table(.residual, ["diagonal": true], r: 2), form = try #require(table.method.form?.sparse)
    #expect(table.key(TensorRole("d"), ofSiteAt: 0) == nil)
    #expect(try form.places(tensors(table, at: 0)) == nil && form.count(sites[0], 2, table.maps) == 0)
    let square = tensors(table, at: 2)
    let places = try #require(try form.places(square))
    #expect(places.rows == [0, 1, 2, 3, 4, 5] && places.columns == places.rows)
    #expect(form.count(sites[2], 2, table.maps) == 6)
    #expect(try #require(table.method.form).build(square).sparse == square[TensorRole("d")])
  }

  @Test func presetsAreListsOfLevels() throws {
    let pairs: [(SiteTable, String)] = [
      (
        try table(.mspLoRA, [:]),
        #"[{"scope": "type", "rank": 4}, {"scope": "blocks", "k": 3, "rank": 2}, {"scope": "map", "rank": 1}]"#
      ),
      (
        try table(.mspLoRA, ["blocks": 2, "block_rank": 3, "map_rank": 4]),
        #"[{"scope": "type"}, {"scope": "blocks", "k": 2, "rank": 3}, {"scope": "map"}]"#
      ),
      (
        try table(.bsLoRA, ["intra_rank": 3]),
        #"[{"scope": "model"}, {"scope": "layer", "rank": 3}, {"scope": "map", "rank": 2}]"#
      ),
      (
        try table(.residual, ["k": 3, "group_rank": 1]),
        #"[{"scope": "groups", "k": 3, "rank": 1}, {"scope": "map"}]"#
      ),
    ]
    for (preset, list) in pairs {
      let written = try levels(list)
      #expect(preset.tensors == written.tensors)
      #expect(preset.tensors.map(preset.shape) == written.tensors.map(written.shape))
    }
    #expect(try table(.bsLoRA, [:]).scale == 2)
    #expect(try table(.mspLoRA, [:]).scale == 8)
  }

  @Test(arguments: [
    (AdapterMethod.mspLoRA, [:] as [String: JSONValue], 2, "msplora: no rank is left for level 3, \"map\" ("),
    (.mspLoRA, ["blocks": 6], 4, "msplora.blocks: 6 is above the number of layers (5) in which "),
    (.bsLoRA, ["local_rank": 5], 4, "bslora: rank 5 of level 3 is above the smaller dimension 4 ("),
    (
      .multiLevel, ["levels": [["scope": "groups", "k": 9]] as JSONValue], 4,
      "multi-level.levels: k = 9 of level 1 is above the number of layers (5) in which "
    ),
    (
      .multiLevel, ["levels": [["scope": "map", "rank": 2], ["scope": "type"]] as JSONValue], 6,
      "multi-level.levels: rank 6 of level 2 is above the smaller dimension 4 ("
    ),
  ])
  func sizesThatDoNotFitAreNamed(
    method: AdapterMethod, options: [String: JSONValue], r: Int, sentence: String
  ) throws {
    let error = #expect(throws: (any Error).self) { try table(method, options, r: r) }
    let lines = "\(try #require(error))".split(separator: "\n").map(String.init)
    #expect(lines.contains { $0.hasPrefix("adapter.\(sentence)") }, "\(lines)")
  }

  @Test func listsAreReadStrictly() throws {
    let option = try #require(AdapterMethod.multiLevel.declaredOptions.first)
    func faults(_ text: String) throws -> [String] {
      try option.faults(in: JSONParser.parse(text)).map { "\($0.path) must be \($0.expected)" }
    }
    let list = " must be a list of levels, each with scope, rank and, for blocks and groups, k"
    #expect(try faults("[]") == [list])
    #expect(try faults(#"{"scope": "map"}"#) == [list])
    let good = #"[{"scope": "map", "rank": 2, "alpha": 4}]"#
    #expect(try faults(good).isEmpty)
    #expect(try option.value(JSONParser.parse(good)).map { JSONWriter.text($0, pretty: false) } != nil)
    let found = try faults(
      """
      [{"scope": "maps"}, {"rank": 3}, {"scope": "blocks"}, {"scope": "groups", "k": 1}, {"scope": "type", "k": 3},
       {"scope": "map", "rank": 0}, {"scope": "map", "alpha": 0}, {"scope": "map", "ranks": 3}, 4]
      """)
    let scopes = "must be one of model, type, blocks, groups, layer, map"
    let object = "must be an object with scope, k, rank and alpha"
    #expect(
      found == [
        "[0].scope \(scopes)", "[1].scope \(scopes)", "[2].k must be a whole number of at least 2",
        "[3].k must be a whole number of at least 2", "[4].k must be left out for scope \"type\"",
        "[5].rank must be a whole number of at least 1 or null", "[6].alpha must be a number above 0 or null",
        "[7].ranks must be one of the keys of a level (scope, k, rank, alpha)", "[8] \(object)",
      ])
  }
}
