import Autograd
import Diagnostics
import Kernels
import Models
import Testing

@testable import Adapters

@Suite struct RoSATests {
  private func table(_ density: Double, hidden: Int, layers: Int, r: Int) throws -> SiteTable {
    var values = MethodValues()
    values["d"] = .number(density)
    return try SiteTable(
      sites: queryValue(layers: layers, hidden: hidden), method: AdapterMethod.rosa.with(values), r: r)
  }

  /// zoo.md: r(in + out) + ⌊d·in·out⌋.
  @Test func counts() throws {
    let table = try table(0.006, hidden: 768, layers: 12, r: 8)
    #expect(table.parameterCount == 24 * (8 * 1536 + 3538))
    let site = table.sites[0]
    let shapes = table.keys(ofSiteAt: 0).map(table.shape)
    #expect(site.inFeatures == 768 && shapes == [[8, 768], [768, 8], [3538], [3538], [769]])
    #expect(table.tensors.filter { !table.tensor($0).trains }.map(\.role.name).allSatisfy { $0.hasPrefix("S_") })
  }

  @Test func theLargestGradientsAreChosenInRowOrder() {
    let gradient: [Float] = [1, -5, 0, .nan, 5, 2, -3, 0, 4, 0, 0, 3]
    let places = RoSA.largest(4, of: gradient, columns: 3)
    #expect(places.columns == [1, 1, 0, 2])
    #expect(places.starts == [0, 1, 2, 4, 4])
    // Of equal ones the first.
    #expect(RoSA.largest(1, of: [2, -2, 2], columns: 3).columns == [0])
  }

  @Test func aDensityThatLeavesNothingIsNamed() throws {
    let error = #expect(throws: ErrorList.self) { try table(0.001, hidden: 8, layers: 1, r: 2) }
    #expect(
      error?.description.hasPrefix(
        "adapter.rosa.d: 0.001 of 8 × 8 numbers is less than one (encoder.layer.0.attention.self.query)") == true)
  }

  /// Floats count the numbers.
  @Test func moreNumbersThanAFloatCountsAreNamed() throws {
    let error = #expect(throws: ErrorList.self) { try table(0.5, hidden: 8192, layers: 1, r: 2) }
    #expect(
      error?.description.hasPrefix(
        "adapter.rosa.d: 0.5 of 8192 × 8192 numbers is more than 16777216 (encoder.layer.0.attention.self.query)")
        == true)
  }

  /// Against sorting everything.
  @Test(arguments: [1, 50, 199, 400]) func largestOfMany(count: Int) {
    let gradient = Philox(seed: 3).normal(400, deviation: 1, stream: 1).map { ($0 * 8).rounded() / 8 }
    let sorted = gradient.indices.sorted { (abs(gradient[$0]), $1) > (abs(gradient[$1]), $0) }.prefix(count).sorted()
    let places = RoSA.largest(count, of: gradient, columns: 20)
    #expect(places.columns == sorted.map { Float($0 % 20) })
    #expect(places.starts == (0...20).map { row in Float(sorted.count { $0 < 20 * row }) })
  }

  @Test(arguments: [
    ([0, 1, 1, 2, 3] as [Float], [0, 5, 0] as [Float], "name the column 5.0, of 4"),
    ([0, 1, 1, 2, 3], [0, 0.5, 0], "name the column 0.5, of 4"),
    ([0, 2, 1, 2, 3], [0, 1, 0], "do not ascend at row 1"),
    ([0, 1, 1, 2, 2], [0, 1, 0], "do not begin at 0 and end at 3"),
    ([1, 1, 1, 2, 3], [0, 1, 0], "do not begin at 0 and end at 3"),
    ([0, .infinity, 1, 2, 3], [0, 1, 0], "do not ascend at row 0"),
  ])
  func placesThatCannotBeAreNamed(starts: [Float], columns: [Float], problem: String) throws {
    let site = queryValue(layers: 1, hidden: 4)[0]
    let tensors = SiteTensors(
      site: site, rank: 1, scale: 1, maps: AdaptedMaps([site], ranks: [1]),
      values: [RoSA.starts: starts, RoSA.columns: columns], baseWeight: nil)
    let error = #expect(throws: SparseForm.BadPlaces.self) { try RoSA.places(tensors) }
    #expect(error?.problem == problem)
  }

  @Test func placesInCSR() throws {
    let site = queryValue(layers: 1, hidden: 4)[0]
    func places(_ starts: [Float], _ columns: [Float]) throws -> SparsePlaces? {
      try RoSA.places(
        SiteTensors(
          site: site, rank: 1, scale: 1, maps: AdaptedMaps([site], ranks: [1]),
          values: [RoSA.starts: starts, RoSA.columns: columns], baseWeight: nil))
    }
    #expect(try places([0, 1, 1, 3, 3], [3, 0, 2]) == SparsePlaces(rows: [0, 2, 2], columns: [3, 0, 2]))
    #expect(try places([0, 0, 0, 0, 0], [0, 0, 0]) == nil)
  }
}
