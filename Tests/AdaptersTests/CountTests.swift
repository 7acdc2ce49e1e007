import Models
import Testing

@testable import Adapters

/// What methods train on the maps of published models: counts that papers and PEFT's results print, and those that follow from
/// the forms. Counts of different methods can agree, so each has the shapes of the first map's tensors beside it.
@Suite struct CountTests {
  struct Count: Sendable, CustomTestStringConvertible {
    let method: String
    let options: [String: Int]
    let sites: [Site]
    let r: Int
    let count: Int
    let shapes: [[Int]]
    var testDescription: String { "\(method) \(r): \(count)" }
  }

  static let counts: [Count] = [
    count("vera", [:], Shapes.robertaBase, 1024, 43_008, [[1024, 768], [768, 1024], [1024], [768]]),
    count("vera", [:], Shapes.robertaLarge, 256, 61_440, [[256, 1024], [1024, 256], [256], [1024]]),
    count(
      "vera", [:], queryValue(layers: 24, hidden: 1024), 1024, 98_304, [[1024, 1024], [1024, 1024], [1024], [1024]]),
    count(
      "vera", [:], queryValue(layers: 36, hidden: 1280), 1024, 165_888, [[1024, 1280], [1280, 1024], [1024], [1280]]),
    count("vera", [:], Shapes.llama32, 256, 129_024, [[256, 3072], [3072, 256], [256], [3072]]),
    count("vera", [:], Shapes.llama31All, 1024, 1_605_632, [[1024, 14336], [14336, 1024], [1024], [4096]]),
    count("tied-lora", [:], Shapes.robertaBase, 8, 43_200, [[8, 768], [768, 8], [8], [768]]),
    count("tied-lora", [:], Shapes.robertaLarge, 4, 65_728, [[4, 1024], [1024, 4], [4], [1024]]),
    count(
      "rasa", [:], Shapes.llama31All, 8, 20_980_256, [[7, 4096], [4096, 7], [32, 4096], [4096, 32], [7], [32]]),
    count(
      "rasa", [:], Shapes.llama31All, 16, 41_960_512, [[14, 4096], [4096, 14], [64, 4096], [4096, 64], [14], [64]]),
    count(
      "rasa", [:], Shapes.llama31All, 32, 83_921_024,
      [[28, 4096], [4096, 28], [128, 4096], [4096, 128], [28], [128]]),
    count("rasa", ["k": 1], Shapes.robertaBase, 8, 295_368, [[7, 768], [768, 7], [12, 768], [768, 12], [7], [12]]),
    count(
      "msplora", [:], Shapes.robertaBase, 8, 135_168,
      [[8, 768], [768, 8], [4, 768], [768, 4], [2, 768], [768, 2]]),
    count(
      "bslora", [:], Shapes.robertaBase, 8, 159_744,
      [[8, 768], [768, 8], [4, 768], [768, 4], [2, 768], [768, 2]]),
    count(
      "bslora", [:], Shapes.llama2All, 8, 7_991_296,
      [[8, 11008], [11008, 8], [4, 11008], [11008, 4], [2, 4096], [4096, 2]]),
    // Σ_types ⌈12/5⌉ · 4 · 1536 + 12 · 8 · 1536.
    count(
      "residual", ["k": 5, "group_rank": 4], Shapes.robertaBase, 8, 331_776,
      [[4, 768], [768, 4], [8, 768], [768, 8]]),
    count("gralora", [:], Shapes.llama32, 32, 9_175_040, [[3072, 32], [64, 1536]]),
    count("vb-lora", [:], Shapes.llama32, 4, 1_212_416, [[256, 256], [48, 256], [48, 256]]),
    count("miss", [:], Shapes.llama32, 64, 7_340_032, [[64, 3072]]),
    count("mos", ["equivalent_rank": 2], Shapes.llama2All, 8, 4_997_120, [[256, 1024], [256, 1024], [32], [32]]),
    count("mos", ["equivalent_rank": 8], Shapes.llama2All, 8, 19_988_480, [[1024, 1024], [1024, 1024], [32], [32]]),
    // What it goes on from is kept beside it, and not trained.
    count("deal", [:], Shapes.robertaBase, 8, 294_912, [[8, 768], [768, 8], [8, 768], [768, 8]]),
    count("uni-lora", [:], Shapes.robertaBase, 4, 256, [[256], [4, 768], [4, 768], [768, 4], [768, 4]]),
  ]

  private static func count(
    _ method: String, _ options: [String: Int], _ sites: [Site], _ r: Int, _ count: Int, _ shapes: [[Int]]
  ) -> Count {
    Count(method: method, options: options, sites: sites, r: r, count: count, shapes: shapes)
  }

  @Test(arguments: counts) func trainsAsManyNumbersAsItsSourceSays(count: Count) throws {
    var values = MethodValues()
    for (key, value) in count.options { values[key] = .integer(value) }
    let table = try SiteTable(sites: count.sites, method: AdapterMethod.named(count.method).with(values), r: count.r)
    #expect(table.parameterCount == count.count)
    #expect(table.keys(ofSiteAt: 0).map(table.shape) == count.shapes)
  }

  /// Σ_types 1536 · (8 + 3 · 4) for a pair per type and one for each of three blocks, and 1536 · 2 for each of 24 maps.
  @Test func multiLevel() throws {
    var values = MethodValues()
    values["levels"] = [
      ["scope": "type", "rank": 8], ["scope": "blocks", "k": 3, "rank": 4], ["scope": "map", "rank": 2],
    ]
    let table = try SiteTable(sites: Shapes.robertaBase, method: AdapterMethod.multiLevel.with(values), r: 8)
    #expect(table.parameterCount == 2 * 1536 * 20 + 24 * 1536 * 2)
    #expect(
      table.keys(ofSiteAt: 0).map(table.shape) == [[8, 768], [768, 8], [4, 768], [768, 4], [2, 768], [768, 2]])
  }

  /// A diagonal more for each of 24 maps.
  @Test func residualDiagonals() throws {
    var values = MethodValues()
    (values["k"], values["group_rank"], values["diagonal"]) = (5, 4, true)
    let table = try SiteTable(sites: Shapes.robertaBase, method: AdapterMethod.residual.with(values), r: 8)
    #expect(table.parameterCount == 331_776 + 24 * 768)
    #expect(table.keys(ofSiteAt: 0).map(table.shape) == [[4, 768], [768, 4], [8, 768], [768, 8], [768]])
  }

  /// The file of a run holds what cannot be drawn again: PEFT's of d = 256 has 1,152 bytes.
  @Test func storedNumbers() throws {
    let uni = try SiteTable(sites: Shapes.robertaBase, method: .uniLoRA, r: 4)
    #expect(uni.storedCount == 256)
    let vera = try SiteTable(sites: Shapes.robertaBase, method: .vera, r: 256)
    #expect(vera.storedCount == vera.parameterCount + 2 * 256 * 768)
    var values = MethodValues()
    values["save_projection"] = .bool(false)
    let small = try SiteTable(sites: Shapes.robertaBase, method: AdapterMethod.vera.with(values), r: 256)
    #expect(small.storedCount == small.parameterCount && small.parameterCount == vera.parameterCount)
  }
}
