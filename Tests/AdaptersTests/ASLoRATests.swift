import Diagnostics
import Kernels
import Testing

@testable import Adapters

@Suite struct ASLoRAPlanTests {
  @Test func defaultsAreThoseOfRobertaBaseOnMRPC() throws {
    let plan = try ASLoRAPlan(totalSteps: 6900, layers: 12)
    #expect((plan.startStep, plan.mergeInterval, plan.numMerges) == (317, 242, 7))
    #expect(plan.options == ASLoRAOptions())
  }

  @Test func mergesFallAtTheStepsOfThePaper() throws {
    let plan = try ASLoRAPlan(
      ASLoRAOptions(startStep: 320, mergeInterval: 240, numMerges: 7), totalSteps: 6900, layers: 12)
    #expect((1...6900).filter(plan.isMergeStep) == [560, 800, 1040, 1280, 1520, 1760, 2000])
    let none = try ASLoRAPlan(ASLoRAOptions(startStep: 0, mergeInterval: 1, numMerges: 0), totalSteps: 10, layers: 12)
    #expect(!(1...10).contains(where: none.isMergeStep))
  }

  @Test func plansThatDoNotFitAreRefused() throws {
    #expect(throws: AdapterError.mergesDoNotFit(startStep: 10, mergeInterval: 10, numMerges: 3, totalSteps: 39)) {
      try ASLoRAPlan(ASLoRAOptions(startStep: 10, mergeInterval: 10, numMerges: 3), totalSteps: 39, layers: 4)
    }
    #expect(
      AdapterError.mergesDoNotFit(startStep: 10, mergeInterval: 10, numMerges: 3, totalSteps: 39).description == """
        adapter.aslora.num_merges: the last merge would be at step start_step + num_merges * merge_interval = \
        10 + 3 * 10, but the run has 39 steps
        """)
    _ = try ASLoRAPlan(ASLoRAOptions(startStep: 10, mergeInterval: 10, numMerges: 3), totalSteps: 40, layers: 4)
    #expect(throws: AdapterError.tooManyMerges(numMerges: 4, layers: 4)) {
      try ASLoRAPlan(ASLoRAOptions(numMerges: 4), totalSteps: 1000, layers: 4)
    }
    let error = #expect(throws: ErrorList.self) {
      try ASLoRAPlan(ASLoRAOptions(startStep: -1, mergeInterval: 0, numMerges: 12), totalSteps: 1000, layers: 12)
    }
    #expect(
      error?.description == """
        adapter.aslora.start_step: -1 is out of range, expected at least 0
        adapter.aslora.merge_interval: 0 is out of range, expected at least 1
        adapter.aslora.num_merges: 12 is above layers - 1 = 11
        """)
    #expect(throws: AdapterError.self) {
      try ASLoRAPlan(ASLoRAOptions(startStep: .max, mergeInterval: .max, numMerges: 2), totalSteps: 10, layers: 4)
    }
  }

  @Test(arguments: [1, 2, 6, 12, 24, 32, 48, 80])
  func defaultsFitEveryDepth(layers: Int) throws {
    let plan = try ASLoRAPlan(totalSteps: 3000, layers: layers)
    #expect((1...3000).filter(plan.isMergeStep).count == plan.numMerges)
  }
}

@Suite struct ASLoRAMergingTests {
  static let module = "attention.self.query"

  /// Runs a plan on random B's, as a trainer would; compares each choice with brute force over all snapshots.
  @Test(arguments: ASLoRAOptions.Candidates.allCases, ASLoRAOptions.Metric.allCases.filter { $0 != .random })
  func choicesEqualBruteForce(candidates: ASLoRAOptions.Candidates, metric: ASLoRAOptions.Metric) throws {
    var random = SplitMix(state: 7)
    let layers = 6, hidden = 5, r = 3
    let plan = try ASLoRAPlan(
      ASLoRAOptions(startStep: 3, mergeInterval: 2, numMerges: 5, candidates: candidates, metric: metric),
      totalSteps: 13,
      layers: layers)
    var table = try SiteTable(sites: queryValue(layers: layers, hidden: hidden), method: .aslora, r: r)
    var means = RunningMeans()
    var values: [TensorKey: [Float]] = [:]
    var snapshots: [[TensorKey: [Float]]] = []
    var events: [GroupMerge] = []
    for step in 1...13 {
      for key in table.tensors { values[key] = random.floats(table.shape(key).reduce(1, *)) }
      snapshots.append(values)
      means.update(table) { values[$0] ?? [] }
      for (key, mean) in means.values {
        let brute = bruteMean(of: key, in: snapshots)
        #expect(zip(mean, brute).allSatisfy { abs(Double($0) - $1) < 1e-6 })
      }
      guard plan.isMergeStep(step) else { continue }
      for module in table.modules {
        let event = try #require(
          plan.nextMerge(
            module: module, step: step, table: table, means: means, philox: Philox(seed: 7), a: { values[$0] ?? [] }))
        let pair = brutePair(module, table, snapshots, values, candidates, metric)
        #expect((event.lowerLayer, event.upperLayer) == (pair.lower, pair.upper))
        #expect(abs(event.distance - pair.distance) < 1e-5)
        let upperValue = values[event.upper]
        table.mergeB(module: module, lowerLayer: event.lowerLayer, upperLayer: event.upperLayer)
        means.merge(event, direction: plan.options.direction)
        values[event.lower] = nil
        #expect(values[event.upper] == upperValue)
        #expect(!table.tensors.contains(event.lower) && means.values[event.lower] == nil)
        #expect(table.groups(module: module).count == event.groupsLeft)
        if candidates == .adjacent {
          let flat = table.groups(module: module).flatMap { $0 }
          #expect(flat == Array(0..<layers), "groups of neighbours are contiguous")
        }
        events.append(event)
      }
    }
    #expect(events.map(\.step) == [5, 5, 7, 7, 9, 9, 11, 11, 13, 13])
    #expect(events.map(\.module).prefix(2) == ["attention.self.query", "attention.self.value"])
    #expect(table.groups(module: Self.module) == [[0, 1, 2, 3, 4, 5]])
    #expect(
      plan.nextMerge(module: Self.module, step: 15, table: table, means: means, philox: Philox(seed: 7), a: { _ in [] })
        == nil)
    #expect(Set(means.values.keys) == Set(table.tensors.filter { $0.role == .b }))
  }

  @Test func tiesGoToTheFirstPair() throws {
    let table = try SiteTable(sites: queryValue(layers: 4, hidden: 4), method: .aslora, r: 2)
    var means = RunningMeans()
    means.update(table) { _ in [Float](repeating: 1, count: 8) }
    for candidates in ASLoRAOptions.Candidates.allCases {
      let plan = try ASLoRAPlan(ASLoRAOptions(candidates: candidates), totalSteps: 100, layers: 4)
      let event = plan.nextMerge(
        module: Self.module, step: 9, table: table, means: means, philox: Philox(seed: 7), a: { _ in [] })
      #expect(
        event == GroupMerge(step: 9, module: Self.module, lowerLayer: 0, upperLayer: 1, distance: 0, groupsLeft: 3))
    }
  }

  @Test func averageKeepsTheMeanOfBothMeans() throws {
    let table = try SiteTable(sites: queryValue(layers: 2, hidden: 2), method: .aslora, r: 1)
    var means = RunningMeans()
    means.update(table) { $0.layer == 0 ? [1, 2] : [3, 6] }
    let event = GroupMerge(step: 1, module: Self.module, lowerLayer: 0, upperLayer: 1, distance: 0, groupsLeft: 1)
    var upper = means
    upper.merge(event, direction: .lowerUsesUpper)
    means.merge(event, direction: .average)
    #expect(upper.values[event.upper] == [3, 6] && upper.values[event.lower] == nil)
    #expect(means.values[event.upper] == [2, 4] && means.values[event.lower] == nil)
  }

  private func bruteMean(of key: TensorKey, in snapshots: [[TensorKey: [Float]]]) -> [Double] {
    let count = snapshots[0][key]?.count ?? 0
    return (0..<count).map { i in
      snapshots.reduce(0.0) { $0 + Double($1[key]?[i] ?? .nan) } / Double(snapshots.count)
    }
  }

  private func brutePair(
    _ module: String, _ table: SiteTable, _ snapshots: [[TensorKey: [Float]]], _ values: [TensorKey: [Float]],
    _ candidates: ASLoRAOptions.Candidates, _ metric: ASLoRAOptions.Metric
  ) -> (lower: Int, upper: Int, distance: Double) {
    let layers = table.groups(module: module).compactMap(\.last).sorted()
    let a = (values[TensorKey(role: .a, module: module, layer: nil)] ?? []).map(Double.init)
    var best = (lower: -1, upper: -1, distance: Double.infinity)
    for (i, lower) in layers.enumerated() {
      for (j, upper) in layers.enumerated() where candidates == .all ? j > i : j == i + 1 {
        let x = bruteMean(of: TensorKey(role: .b, module: module, layer: lower), in: snapshots)
        let y = bruteMean(of: TensorKey(role: .b, module: module, layer: upper), in: snapshots)
        let distance = bruteDistance(x, y, a, r: table.rank, metric)
        if distance < best.distance { best = (lower, upper, distance) }
      }
    }
    return best
  }

  private func bruteDistance(
    _ x: [Double], _ y: [Double], _ a: [Double], r: Int, _ metric: ASLoRAOptions.Metric
  ) -> Double {
    func dot(_ p: [Double], _ q: [Double]) -> Double { zip(p, q).reduce(0) { $0 + $1.0 * $1.1 } }
    let difference = zip(x, y).map { $0 - $1 }
    switch metric {
    case .effectiveScaled:
      let zero = x.map { _ in 0.0 }
      return bruteDistance(x, y, a, r: r, .effective)
        / (bruteDistance(x, zero, a, r: r, .effective) + bruteDistance(y, zero, a, r: r, .effective))
    case .l2, .random: return dot(difference, difference).squareRoot()
    case .cosine: return 1 - dot(x, y) / (dot(x, x) * dot(y, y)).squareRoot()
    case .effective:
      let columns = a.count / r
      let product = (0..<(x.count / r)).flatMap { row in
        (0..<columns).map { column in
          (0..<r).reduce(0.0) { $0 + difference[row * r + $1] * a[$1 * columns + column] }
        }
      }
      return dot(product, product).squareRoot()
    }
  }
}
