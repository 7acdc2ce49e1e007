import Diagnostics
import Kernels
import StrictJSON

extension AdapterMethod {
  /// ASLoRA (arXiv 2412.10135): one A per module type for all layers; a B per layer at first, and B's of similar
  /// layers are tied while training.
  public static let aslora = AdapterMethod(
    name: "aslora", summary: "one A per module type, B's merged across layers while training (ASLoRA)",
    procedure: MethodProcedureKind(
      mergesLayers: true,
      begin: { options, table, totalSteps in
        if options.aslora.isStatic { return try StaticGroups(options.aslora, layers: table.layerCount) }
        return ASLoRAMerging(
          try ASLoRAPlan(options.aslora, totalSteps: totalSteps, layers: table.layerCount),
          philox: Philox(seed: options.seed))
      },
      resume: { stored, table, totalSteps in
        if let groups = StaticGroups(stored) { return groups }
        return try ASLoRAMerging(stored, table, totalSteps: totalSteps)
      },
      startTable: { options, table in
        guard options.aslora.isStatic else { return table }
        return table.grouped(
          leaving: table.layerCount - (try StaticGroups(options.aslora, layers: table.layerCount)).numMerges)
      },
      finalTable: { options, table in
        if options.aslora.isStatic { return table }
        let merges = options.aslora.numMerges ?? ASLoRAPlan.defaultNumMerges(layers: table.layerCount)
        try ASLoRAPlan.check(numMerges: merges, layers: table.layerCount)
        return table.merged(times: merges)
      },
      steps: { options, table, totalSteps in
        if options.aslora.isStatic { return [] }
        return try ASLoRAPlan(options.aslora, totalSteps: totalSteps, layers: table.layerCount).mergeSteps
      })
  ) { site, rank in
    [.a(site, rank, layer: nil), .b(site, rank)]
  }
}

/// When ASLoRA merges, and by which rule it picks what (arXiv 2412.10135).
///
/// For optimiser steps t = 1 … T and every module type: after the step the running mean of every distinct B takes the
/// new value in; where t > `startStep` and (t − `startStep`) mod `mergeInterval` = 0 the two nearest groups are
/// merged, `numMerges` times in all. The first merge is at `startStep + mergeInterval`.
struct ASLoRAPlan: Sendable {
  let startStep: Int
  let mergeInterval: Int
  let numMerges: Int
  /// Candidates, metric and direction.
  let options: ASLoRAOptions

  /// The plan of a run of `totalSteps` optimiser steps on `layers` layers; nil stands for the default.
  ///
  /// Defaults: `startStep` round(0.046·T), `mergeInterval` max(1, round(0.035·T)), `numMerges`
  /// `defaultNumMerges(layers:)`. Where both steps are defaults and so many merges would not fit (more than 27), the
  /// interval is the largest that does. Throws all violations at once.
  init(_ options: ASLoRAOptions = ASLoRAOptions(), totalSteps: Int, layers: Int) throws {
    let merges = options.numMerges ?? Self.defaultNumMerges(layers: layers)
    let start = options.startStep ?? Self.rounded(0.046, of: totalSteps)
    var interval = options.mergeInterval ?? max(1, Self.rounded(0.035, of: totalSteps))
    if options.startStep == nil, options.mergeInterval == nil, merges > 0 {
      interval = max(1, min(interval, (totalSteps - start) / merges))
    }
    try Self.check(startStep: start, mergeInterval: interval, numMerges: merges, totalSteps: totalSteps, layers: layers)
    (startStep, mergeInterval, numMerges, self.options) = (start, interval, merges, options)
  }

  /// The steps after which every module type merges two groups.
  var mergeSteps: [Int] { numMerges == 0 ? [] : (1...numMerges).map { startStep + $0 * mergeInterval } }

  /// round(0.58·L), and never more than the L − 1 merges that there can be.
  static func defaultNumMerges(layers: Int) -> Int {
    max(0, min(rounded(0.58, of: layers), layers - 1))
  }

  /// Throws if `layers` layers can't be merged `numMerges` times.
  static func check(numMerges: Int, layers: Int) throws(AdapterError) {
    if numMerges < 0 { throw AdapterError.asloraOutOfRange(field: "num_merges", value: numMerges, atLeast: 0) }
    if numMerges > max(0, layers - 1) { throw AdapterError.tooManyMerges(numMerges: numMerges, layers: layers) }
  }

  /// Whether every module type merges two groups after optimiser step `step`, counted from 1.
  func isMergeStep(_ step: Int) -> Bool {
    let since = step - startStep
    return since > 0 && since % mergeInterval == 0 && since / mergeInterval <= numMerges
  }

  private static func rounded(_ share: Double, of whole: Int) -> Int { Int((share * Double(whole)).rounded()) }

  private static func check(
    startStep: Int, mergeInterval: Int, numMerges: Int, totalSteps: Int, layers: Int
  ) throws {
    var errors: [AdapterError] = []
    if startStep < 0 { errors.append(.asloraOutOfRange(field: "start_step", value: startStep, atLeast: 0)) }
    if mergeInterval < 1 { errors.append(.asloraOutOfRange(field: "merge_interval", value: mergeInterval, atLeast: 1)) }
    do { try check(numMerges: numMerges, layers: layers) } catch { errors.append(error) }
    if errors.isEmpty, numMerges > 0 {
      let (span, overflow) = numMerges.multipliedReportingOverflow(by: mergeInterval)
      if overflow || startStep > totalSteps || span > totalSteps - startStep {
        errors.append(
          .mergesDoNotFit(
            startStep: startStep, mergeInterval: mergeInterval, numMerges: numMerges, totalSteps: totalSteps))
      }
    }
    try ErrorList.throwIfAny(errors)
  }
}

/// ASLoRA between two steps: the running mean of every B, and the merges that are due.
struct ASLoRAMerging: MethodProcedure {
  let plan: ASLoRAPlan
  /// What the metric `random` draws from.
  let philox: Philox
  private(set) var means = RunningMeans()

  init(_ plan: ASLoRAPlan, philox: Philox) { (self.plan, self.philox) = (plan, philox) }

  mutating func afterStep(_ state: inout TrainableState, wasApplied: Bool) -> [ProcedureEvent] {
    let current = state
    if wasApplied { means.update(current.table) { current[$0] } }
    guard plan.isMergeStep(state.step) else { return [] }
    var merges: [GroupMerge] = []
    for module in current.table.modules {
      guard
        let merge = plan.nextMerge(
          module: module, step: state.step, table: current.table, means: means, philox: philox,
          a: { current[$0] })
      else { continue }
      if plan.options.direction == .average {
        state[merge.upper] = zip(current[merge.lower], current[merge.upper]).map { ($0 + $1) / 2 }
      }
      means.merge(merge, direction: plan.options.direction)
      merges.append(merge)
    }
    if !merges.isEmpty { state.tie(merges.map { ($0.lower, $0.upper) }) }
    return merges.map(ProcedureEvent.merged)
  }

  // MARK: - Checkpoints

  private static let meanSuffix = ".mean"

  var checkpoint: ProcedureCheckpoint {
    ProcedureCheckpoint(
      fields: [("means_step", .integer(means.step)), ("aslora", plan.json(seed: philox.seed))],
      tensors: [Self.meanSuffix: means.values])
  }

  init?(_ stored: StoredProcedure, _ table: SiteTable, totalSteps: Int) throws {
    guard let step = stored.fields["means_step"]?.integer, (0...totalSteps).contains(step),
      let options = stored.fields["aslora"].flatMap(ASLoRAOptions.init)
    else { return nil }
    plan = try ASLoRAPlan(options, totalSteps: totalSteps, layers: table.layerCount)
    let seed = stored.fields["aslora"]?[ASLoRAPlan.seedKey]?.integer
    if options.metric == .random, seed == nil { return nil }
    philox = Philox(seed: UInt64(bitPattern: Int64(seed ?? 0)))
    var values: [TensorKey: [Float]] = [:]
    for key in table.tensors where key.role == .b { values[key] = try stored.tensor(key, Self.meanSuffix) }
    means = RunningMeans(step: step, values: values)
  }
}

extension ASLoRAPlan {
  fileprivate static let seedKey = "seed"

  /// With the seed where the plan draws from it.
  fileprivate func json(seed: UInt64) -> JSONValue {
    let members: [(String, JSONValue)] = [
      ("start_step", .integer(startStep)), ("merge_interval", .integer(mergeInterval)),
      ("num_merges", .integer(numMerges)), ("candidates", .string(options.candidates.rawValue)),
      ("metric", .string(options.metric.rawValue)), ("direction", .string(options.direction.rawValue)),
    ]
    let ofSeed = (Self.seedKey, JSONValue.integer(Int(Int64(bitPattern: seed))))
    return .members(members + (options.metric == .random ? [ofSeed] : []))
  }
}

extension ASLoRAOptions {
  /// What `ASLoRAPlan.json(seed:)` wrote; nil if it is something else.
  fileprivate init?(_ json: JSONNode) {
    guard let start = json["start_step"]?.integer, let interval = json["merge_interval"]?.integer,
      let merges = json["num_merges"]?.integer,
      let candidates = json["candidates"]?.string.flatMap(Candidates.init(rawValue:)),
      let metric = json["metric"]?.string.flatMap(Metric.init(rawValue:)),
      let direction = json["direction"]?.string.flatMap(Direction.init(rawValue:))
    else { return nil }
    self.init(
      startStep: start, mergeInterval: interval, numMerges: merges, candidates: candidates, metric: metric,
      direction: direction)
  }
}

extension SiteTable {
  /// The table after `times` merges of every module type (fewer if a module has fewer layers): the two lowest
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

/// The mean of every distinct B over all optimiser steps so far: B̄ ← B̄ + (B − B̄) / t after step t.
///
/// Part of a run's state: a checkpoint stores `step` and `values`, and a resumed run begins with them.
struct RunningMeans: Sendable, Equatable {
  /// Optimiser steps taken in.
  var step = 0
  /// The means, row-major as the B's.
  var values: [TensorKey: [Float]] = [:]

  /// Takes in the B's after the next optimiser step. `b` gives the present numbers of a tensor.
  mutating func update(_ table: SiteTable, b: (TensorKey) -> [Float]) {
    step += 1
    for key in table.tensors where key.role == .b {
      let current = b(key)
      let weight = Float(step)
      var mean = values.removeValue(forKey: key) ?? [Float](repeating: 0, count: current.count)
      precondition(mean.count == current.count)
      for i in mean.indices { mean[i] += (current[i] - mean[i]) / weight }
      values[key] = mean
    }
  }

  /// Follows a merge: the lower group's mean is dropped; the upper's stays, or becomes the mean of both.
  mutating func merge(_ event: GroupMerge, direction: ASLoRAOptions.Direction) {
    guard let lower = values.removeValue(forKey: event.lower), direction == .average,
      var upper = values.removeValue(forKey: event.upper)
    else { return }
    for i in upper.indices { upper[i] = (lower[i] + upper[i]) / 2 }
    values[event.upper] = upper
  }
}
