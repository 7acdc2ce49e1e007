import Kernels
import Models
import Testing

@testable import Adapters

@Suite struct LoRAFATests {
  /// zoo.md: r · out; query and value of a decoder with grouped heads.
  @Test func counts() throws {
    let sites = Shapes.llama32
    let table = try SiteTable(sites: sites, method: .loraFA, r: 32)
    #expect(table.parameterCount == 3_670_016)
    #expect(table.keys(ofSiteAt: 1).map(table.shape) == [[32, 3072], [1024, 32]])
    var shared = MethodValues()
    shared["share_a"] = .bool(true)
    let one = try SiteTable(sites: sites, method: AdapterMethod.loraFA.with(shared), r: 32)
    #expect(one.parameterCount == 3_670_016 && one.tensors.count == table.tensors.count - 54)
  }

  /// D · s² (A Aᵀ + 1e-8) is the plain gradient again.
  @Test func theGradientIsPreconditioned() throws {
    let site = queryValue(layers: 1, hidden: 6)[0], philox = Philox(seed: 4)
    let a = philox.normal(18, deviation: 1, stream: 1), db = philox.normal(18, deviation: 1, stream: 2)
    let tensors = SiteTensors(
      site: site, rank: 3, scale: 0.5, maps: AdaptedMaps([site], ranks: [1]), values: [.a: a], baseWeight: nil)
    let rule = try #require(AdapterMethod.loraFA.design.preconditioner)
    #expect(rule(.a, a, tensors) == a)
    let gram = Dense.product(3, 3, 6, a, a, transposesB: true, alpha: 0.25)
    let again = Dense.product(6, 3, 3, try #require(rule(.b, db, tensors)), gram)
    #expect(zip(again, db).allSatisfy { abs($0 - $1) < 1e-4 })
    // Without independent rows there is no inverse.
    #expect(Dense.product(db, withInverseOf: [1, 1, 1, 1, 1, 1, 1, 1, 1], size: 3) == nil)
    let equal = SiteTensors(
      site: site, rank: 3, scale: 0.5, maps: AdaptedMaps([site], ranks: [1]),
      values: [.a: [Float](repeating: 1e9, count: 18)], baseWeight: nil)
    #expect(rule(.b, db, equal) == nil)
  }
}
