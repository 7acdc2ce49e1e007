import Models
import Testing

@testable import Adapters

/// The counts of methods that the product does not have, by the tensors that they would declare: what a method's count is
/// follows from its declaration alone.
@Suite struct DeclaredMethodTests {
  private func expect(
    _ sites: [Site], r: Int, _ count: Int, _ shapes: [[Int]],
    _ tensors: @escaping @Sendable (_ site: Site, _ rank: Int) -> [AdapterTensor]
  ) throws {
    let table = try SiteTable(
      sites: sites, method: AdapterMethod(name: "declared", summary: "", tensors: tensors), r: r)
    #expect(table.parameterCount == count)
    #expect(table.keys(ofSiteAt: 0).map(table.shape) == shapes)
  }

  private static func tensor(_ name: String, _ site: Site, _ shape: [Int], trains: Bool = true) -> AdapterTensor {
    AdapterTensor(TensorKey(TensorRole(name), of: site), shape: shape, start: .zeros, trains: trains)
  }

  /// A vector v per group beside frozen factors: n groups, or one.
  @Test func tinyLoRA() throws {
    try expect(Shapes.llama32, r: 2, 3584, [[2, 3072], [3072, 2], [64]]) { site, rank in
      [
        Self.tensor("A", site, [rank, site.inFeatures], trains: false),
        Self.tensor("B", site, [site.outFeatures, rank], trains: false), Self.tensor("v", site, [64]),
      ]
    }
    try expect(Shapes.llama32, r: 2, 64, [[64]]) { _, _ in
      [AdapterTensor(.ofAllModules(TensorRole("v")), shape: [64], start: .zeros)]
    }
  }

  /// An A for every 14 layers, two B's for all, and a router per map.
  @Test(arguments: [
    (Shapes.llama32FeedForward, 140, 9_485_280, [[140, 3072], [8192, 140], [8192, 140], [2, 140]]),
    (Shapes.llama32, 896, 18_450_432, [[896, 3072], [3072, 896], [3072, 896], [2, 896]]),
  ])
  func lily(sites: [Site], r: Int, count: Int, shapes: [[Int]]) throws {
    try expect(sites, r: r, count, shapes) { site, rank in
      [AdapterTensor.a(site, rank, layer: site.layer / 14)]
        + ["B1", "B2"].map { name in
          AdapterTensor(
            TensorKey(role: TensorRole(name), module: site.module, layer: nil), shape: [site.outFeatures, rank],
            start: .zeros)
        } + [Self.tensor("router", site, [2, rank])]
    }
  }

  /// λ [r, N] and γ [N, min], for N bases; as many numbers as DoRA has there.
  @Test func randLoRA() throws {
    try expect(Shapes.llama32, r: 32, 9_289_728, [[32, 96], [96, 3072]]) { site, rank in
      let smaller = min(site.inFeatures, site.outFeatures), bases = (smaller + rank - 1) / rank
      return [Self.tensor("lambda", site, [rank, bases]), Self.tensor("gamma", site, [bases, smaller])]
    }
  }

  /// r (in + out) numbers at chosen places; as many as LoRA and GraLoRA have.
  @Test func shira() throws {
    try expect(Shapes.llama32, r: 32, 9_175_040, [[196_608], [196_608]]) { site, rank in
      let count = rank * (site.inFeatures + site.outFeatures)
      return [Self.tensor("S", site, [count]), Self.tensor("S_places", site, [count], trains: false)]
    }
  }

  /// α and β, m numbers each.
  @Test(arguments: [(24, 1024, 512, 49_152), (36, 1280, 256, 36_864)])
  func nola(layers: Int, hidden: Int, m: Int, count: Int) throws {
    try expect(queryValue(layers: layers, hidden: hidden), r: 8, count, [[m], [m]]) { site, _ in
      [Self.tensor("alpha", site, [m]), Self.tensor("beta", site, [m])]
    }
  }

  /// r in + N r out + N in a map: one A, four heads and a router.
  @Test func hydraLoRA() throws {
    try expect(Shapes.robertaBase, r: 4, 24 * (4 * 768 + 4 * 4 * 768 + 4 * 768), [[4, 768], [4, 768, 4], [4, 768]]) {
      site, rank in
      [
        .a(site, rank), Self.tensor("heads", site, [4, site.outFeatures, rank]),
        Self.tensor("router", site, [4, site.inFeatures]),
      ]
    }
  }

  /// r (in + out) / m: an m-th of each row and column, repeated and rotated.
  @Test func proLoRA() throws {
    try expect(Shapes.robertaBase, r: 8, 24 * 8 * 1536 / 4, [[8, 192], [192, 8]]) { site, rank in
      [Self.tensor("A", site, [rank, site.inFeatures / 4]), Self.tensor("B", site, [site.outFeatures / 4, rank])]
    }
  }
}
