import StrictJSON

extension AdapterMethod {
  /// ASLoRA (arXiv 2412.10135): one A per module type for all layers; a B per layer at first, and B's of similar
  /// layers are tied while training.
  public static let aslora = AdapterMethod(
    name: "aslora", summary: "one A per module type, B's merged across layers while training (ASLoRA)",
    procedure: MethodProcedureKind(
      begin: { options, table, totalSteps in
        ASLoRAMerging(try ASLoRAPlan(options.aslora, totalSteps: totalSteps, layers: table.layerCount))
      },
      resume: { stored, table, totalSteps in try ASLoRAMerging(stored, table, totalSteps: totalSteps) },
      finalTable: { options, table in
        let merges = options.aslora.numMerges ?? ASLoRAPlan.defaultNumMerges(layers: table.layerCount)
        try ASLoRAPlan.check(numMerges: merges, layers: table.layerCount)
        return table.merged(times: merges)
      },
      steps: { options, table, totalSteps in
        try ASLoRAPlan(options.aslora, totalSteps: totalSteps, layers: table.layerCount).mergeSteps
      })
  ) { site, rank in
    [.a(site, rank, layer: nil), .b(site, rank)]
  }
}

/// When and how ASLoRA merges. Where a number is nil, it follows from the run's length.
public struct ASLoRAOptions: Sendable, Equatable {
  /// No merge up to this step; the first is at `start_step + merge_interval`.
  public var startStep: Int?
  /// Steps between two merges.
  public var mergeInterval: Int?
  /// Merges per module type in the whole run.
  public var numMerges: Int?
  /// Which pairs of groups can be merged.
  public var candidates = ASLoRAPlan.Candidates.adjacent
  /// How the distance of two groups is measured.
  public var metric = ASLoRAPlan.Metric.l2
  /// Which B the merged group uses.
  public var direction = ASLoRAPlan.Direction.lowerUsesUpper

  /// Options; what is not given has its default.
  public init(
    startStep: Int? = nil, mergeInterval: Int? = nil, numMerges: Int? = nil,
    candidates: ASLoRAPlan.Candidates = .adjacent, metric: ASLoRAPlan.Metric = .l2,
    direction: ASLoRAPlan.Direction = .lowerUsesUpper
  ) {
    (self.startStep, self.mergeInterval, self.numMerges) = (startStep, mergeInterval, numMerges)
    (self.candidates, self.metric, self.direction) = (candidates, metric, direction)
  }
}

/// ASLoRA between two steps: the running mean of every B, and the merges that are due.
struct ASLoRAMerging: MethodProcedure {
  let plan: ASLoRAPlan
  private(set) var means = RunningMeans()

  init(_ plan: ASLoRAPlan) { self.plan = plan }

  mutating func afterStep(_ state: inout TrainableState, wasApplied: Bool) -> [GroupMerge] {
    let current = state
    if wasApplied { means.update(current.table) { current[$0] } }
    guard plan.isMergeStep(state.step) else { return [] }
    var merges: [GroupMerge] = []
    for module in current.table.modules {
      guard
        let merge = plan.nextMerge(
          module: module, step: state.step, table: current.table, means: means, a: { current[$0] })
      else { continue }
      if plan.direction == .average {
        state[merge.upper] = zip(current[merge.lower], current[merge.upper]).map { ($0 + $1) / 2 }
      }
      means.merge(merge, direction: plan.direction)
      merges.append(merge)
    }
    if !merges.isEmpty { state.tie(merges.map { ($0.lower, $0.upper) }) }
    return merges
  }

  // MARK: - Checkpoints

  private static let meanSuffix = ".mean"

  var checkpoint: ProcedureCheckpoint {
    ProcedureCheckpoint(
      fields: [("means_step", .integer(means.step)), ("aslora", plan.json)], tensors: [Self.meanSuffix: means.values])
  }

  init?(_ stored: StoredProcedure, _ table: SiteTable, totalSteps: Int) throws {
    guard let step = stored.fields["means_step"]?.integer, (0...totalSteps).contains(step),
      let options = stored.fields["aslora"].flatMap(ASLoRAOptions.init)
    else { return nil }
    plan = try ASLoRAPlan(options, totalSteps: totalSteps, layers: table.layerCount)
    var values: [TensorKey: [Float]] = [:]
    for key in table.tensors where key.role == .b { values[key] = try stored.tensor(key, Self.meanSuffix) }
    means = RunningMeans(step: step, values: values)
  }
}

extension ASLoRAPlan {
  fileprivate var json: JSONValue {
    [
      "start_step": .integer(startStep), "merge_interval": .integer(mergeInterval), "num_merges": .integer(numMerges),
      "candidates": .string(candidates.rawValue), "metric": .string(metric.rawValue),
      "direction": .string(direction.rawValue),
    ]
  }
}

extension ASLoRAOptions {
  /// What `ASLoRAPlan.json` wrote; nil where it is something else.
  fileprivate init?(_ json: JSONNode) {
    guard let start = json["start_step"]?.integer, let interval = json["merge_interval"]?.integer,
      let merges = json["num_merges"]?.integer,
      let candidates = json["candidates"]?.string.flatMap(ASLoRAPlan.Candidates.init(rawValue:)),
      let metric = json["metric"]?.string.flatMap(ASLoRAPlan.Metric.init(rawValue:)),
      let direction = json["direction"]?.string.flatMap(ASLoRAPlan.Direction.init(rawValue:))
    else { return nil }
    self.init(
      startStep: start, mergeInterval: interval, numMerges: merges, candidates: candidates, metric: metric,
      direction: direction)
  }
}

extension SiteTable {
  /// The table after `times` merges of every module type (fewer where a module has fewer layers): the two lowest
  /// groups each time, since the count does not depend on which merge.
  func merged(times: Int) -> SiteTable {
    var table = self
    for module in modules {
      for _ in 0..<times {
        let groups = table.groups(module: module)
        guard groups.count > 1, let lower = groups[0].last, let upper = groups[1].last else { break }
        table.mergeB(module: module, lowerLayer: lower, upperLayer: upper)
      }
    }
    return table
  }
}
