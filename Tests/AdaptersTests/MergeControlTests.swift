import Kernels
import Testing

@testable import Adapters

/// The metrics that are controls, and groups that are fixed before the first step.
@Suite struct MergeControlTests {
  private static let module = "attention.self.query"

  private func table(layers: Int = 6, hidden: Int = 8, r: Int = 2) throws -> SiteTable {
    try SiteTable(sites: queryValue(layers: layers, hidden: hidden), method: .aslora, r: r)
  }

  private func pair(
    _ metric: ASLoRAOptions.Metric, _ candidates: ASLoRAOptions.Candidates, seed: UInt64, step: Int,
    table: SiteTable, means: RunningMeans, module: String = Self.module
  ) throws -> GroupMerge {
    let plan = try ASLoRAPlan(
      ASLoRAOptions(candidates: candidates, metric: metric), totalSteps: 1000, layers: table.layerCount)
    return try #require(
      plan.nextMerge(
        module: module, step: step, table: table, means: means, philox: Philox(seed: seed),
        a: { key in (0..<table.shape(key).reduce(1, *)).map { Float($0 % 7) - 3 } }))
  }

  @Test(arguments: [(ASLoRAOptions.Candidates.adjacent, 5), (.all, 15)])
  func randomPairsAreUniform(candidates: ASLoRAOptions.Candidates, pairs: Int) throws {
    let table = try table()
    var means = RunningMeans(), random = SplitMix(state: 3)
    means.update(table) { _ in random.floats(16) }
    var counts: [[Int]: Int] = [:]
    let draws = 600 * pairs
    for draw in 0..<draws {
      let merge = try pair(
        .random, candidates, seed: UInt64(draw % 40), step: draw / 40 + 1, table: table, means: means)
      counts[[merge.lowerLayer, merge.upperLayer], default: 0] += 1
    }
    #expect(counts.count == pairs)
    // Five standard deviations of a count of 600 draws of probability 1 / pairs.
    #expect(counts.values.allSatisfy { abs($0 - 600) < 5 * 25 })
  }

  @Test func randomPairsFollowFromSeedStepAndModuleAlone() throws {
    let table = try table()
    var means = RunningMeans(), random = SplitMix(state: 3)
    means.update(table) { _ in random.floats(16) }
    func draws(_ seed: UInt64, _ module: String, _ means: RunningMeans) throws -> [[Int]] {
      try (1...12).map {
        let merge = try pair(.random, .all, seed: seed, step: $0, table: table, means: means, module: module)
        return [merge.lowerLayer, merge.upperLayer]
      }
    }
    let first = try draws(1, Self.module, means)
    #expect(try draws(1, Self.module, means) == first)
    var others = RunningMeans()
    others.update(table) { _ in random.floats(16) }
    #expect(try draws(1, Self.module, others) == first)
    #expect(try draws(2, Self.module, means) != first)
    #expect(try draws(1, "attention.self.value", means) != first)
  }

  @Test func randomPairsHaveTheirDistanceByL2() throws {
    let table = try table(layers: 2)
    var means = RunningMeans()
    means.update(table) { $0.layer == 0 ? [Float](repeating: 1, count: 16) : [Float](repeating: 3, count: 16) }
    #expect(try pair(.random, .all, seed: 1, step: 4, table: table, means: means).distance == 8)
    #expect(try pair(.l2, .all, seed: 1, step: 4, table: table, means: means).distance == 8)
  }

  @Test func scaledDistanceDoesNotDependOnSize() throws {
    let table = try table(layers: 2)
    var means = RunningMeans(), large = RunningMeans(), random = SplitMix(state: 5)
    let (lower, upper) = (random.floats(16), random.floats(16))
    means.update(table) { $0.layer == 0 ? lower : upper }
    large.update(table) { ($0.layer == 0 ? lower : upper).map { 8 * $0 } }
    let distance = try pair(.effectiveScaled, .all, seed: 1, step: 4, table: table, means: means).distance
    let ofLarge = try pair(.effectiveScaled, .all, seed: 1, step: 4, table: table, means: large).distance
    #expect(0 < distance && distance < 1 && abs(distance - ofLarge) < 1e-12)
    let raw = try pair(.effective, .all, seed: 1, step: 4, table: table, means: means).distance
    let rawOfLarge = try pair(.effective, .all, seed: 1, step: 4, table: table, means: large).distance
    #expect(abs(rawOfLarge - 8 * raw) < 1e-9)
  }

  @Test func scaledDistanceOfZeros() throws {
    let table = try table(layers: 2)
    func distance(_ lower: Float, _ upper: Float) throws -> Double {
      var means = RunningMeans()
      means.update(table) { [Float](repeating: $0.layer == 0 ? lower : upper, count: 16) }
      return try pair(.effectiveScaled, .all, seed: 1, step: 4, table: table, means: means).distance
    }
    #expect(try distance(0, 0) == 0)
    #expect(try distance(0, 2) == 1)
    #expect(try distance(2, 0) == 1)
  }

  // MARK: - Static groups

  @Test(arguments: [
    (6, 4, [[0, 1, 2], [3, 4, 5]]), (6, 0, [[0], [1], [2], [3], [4], [5]]), (6, 5, [[0, 1, 2, 3, 4, 5]]),
    (5, 3, [[0, 1], [2, 3, 4]]), (7, 4, [[0, 1], [2, 3], [4, 5, 6]]), (1, 0, [[0]]),
  ])
  func groupsAreRunsOfNeighboursOfNearlyEqualLength(layers: Int, merges: Int, expected: [[Int]]) throws {
    let plain = try table(layers: layers)
    let start = try #require(AdapterMethod.aslora.procedure)
    let options = MethodOptions(aslora: ASLoRAOptions(numMerges: merges, merging: .atStart))
    let table = try start.startTable(options, plain)
    for module in table.modules { #expect(table.groups(module: module) == expected) }
    #expect(try start.finalTable(options, table) == table)
    #expect(try start.startTable(options, table) == table)
    #expect(try start.steps(options, table, 100).isEmpty)
    let owners = table.tensors.filter { $0.role == .b && $0.module == Self.module }.map(\.layer)
    #expect(owners == expected.map(\.last))
  }

  @Test func oneGroupHasTheShapesOfShareAB() throws {
    let options = MethodOptions(aslora: ASLoRAOptions(numMerges: 5, merging: .atStart))
    let kind = try #require(AdapterMethod.aslora.procedure)
    let table = try kind.startTable(options, table())
    let shared = try SiteTable(sites: queryValue(layers: 6, hidden: 8), method: .shareAB, r: 2)
    #expect(table.tensors.map(table.shape) == shared.tensors.map(shared.shape))
    #expect(table.tensors.map(\.role) == shared.tensors.map(\.role))
    #expect(table.parameterCount == shared.parameterCount)
  }

  @Test func noMergesLeaveTheTableOfShareA() throws {
    let options = MethodOptions(aslora: ASLoRAOptions(numMerges: 0, merging: .atStart))
    let kind = try #require(AdapterMethod.aslora.procedure)
    let table = try kind.startTable(options, table())
    let shared = try SiteTable(sites: queryValue(layers: 6, hidden: 8), method: .shareA, r: 2)
    #expect(table.tensors == shared.tensors)
    #expect(table.sites.indices.map(table.keys(ofSiteAt:)) == shared.sites.indices.map(shared.keys(ofSiteAt:)))
  }

  /// RoBERTa-base, query and value, r 8: the counts after N merges are those of N fewer groups from the start.
  @Test func countsFollowTheNumberOfMerges() throws {
    let counts = [
      159744, 147456, 135168, 122880, 110592, 98304, 86016, 73728, 61440, 49152, 36864, 24576,
    ]
    let plain = try SiteTable(sites: queryValue(layers: 12, hidden: 768), method: .aslora, r: 8)
    let kind = try #require(AdapterMethod.aslora.procedure)
    for (merges, count) in counts.enumerated() {
      let options = MethodOptions(aslora: ASLoRAOptions(numMerges: merges, merging: .atStart))
      #expect(try kind.startTable(options, plain).parameterCount == count)
    }
    #expect(throws: AdapterError.tooManyMerges(numMerges: 12, layers: 12)) {
      try kind.startTable(MethodOptions(aslora: ASLoRAOptions(numMerges: 12, merging: .atStart)), plain)
    }
  }

  @Test func groupsAreMergesOfStepZero() throws {
    let kind = try #require(AdapterMethod.aslora.procedure)
    let plain = try table(layers: 4)
    #expect(plain.mergesBeforeTraining.isEmpty)
    let table = try kind.startTable(
      MethodOptions(aslora: ASLoRAOptions(numMerges: 2, merging: .atStart)), plain)
    let merges = table.mergesBeforeTraining.filter { $0.module == Self.module }
    #expect(merges.map { [$0.step, $0.lowerLayer, $0.upperLayer, $0.groupsLeft] } == [[0, 0, 1, 3], [0, 2, 3, 2]])
    let shared = try SiteTable(sites: queryValue(layers: 4, hidden: 8), method: .shareAB, r: 2)
    #expect(shared.mergesBeforeTraining.isEmpty)
  }
}
