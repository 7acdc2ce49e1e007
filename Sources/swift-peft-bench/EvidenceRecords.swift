import Foundation
import StrictJSON

/// docs/evidence/plan.json: which runs there are to be.
struct EvidencePlan {
  /// A set of arms that run on the same tasks with the same seeds.
  struct Group {
    let name: String
    let arms: [String]
    let tasks: [String]
    let seeds: [Int]
  }

  let groups: [Group]
  let learningRates: [Double]
  let rateTasks: [String]
  let rateSeed: Int

  init(file: String) throws {
    let root = try JSONField(parsing: Array(Data(contentsOf: URL(fileURLWithPath: file))), file: file)
    let settings = try root.member("settings"), arms = try root.member("arms")
    learningRates = try settings.member("learning_rates").elements().map { try $0.number() }
    rateTasks = try settings.member("rate_tasks").strings()
    rateSeed = try settings.member("rate_seed").integer()
    groups = try root.member("groups").elements().map { group in
      Group(
        name: try group.member("name").string(),
        arms: try arms.member(group.member("arms").string()).members().map(\.key),
        tasks: try group.member("tasks").strings(),
        seeds: try group.member("seeds").elements().map { try $0.integer() })
    }
  }
}

/// A finished run, one file of docs/evidence/runs.
struct EvidenceRun {
  let arm: String
  let task: String
  let rate: Double
  let seed: Int
  let metric: String
  /// Of the first half of the development set, by which epoch and rate are chosen.
  let selectionScore: Double
  /// Of the second half.
  let reportScore: Double
  let adapterParameters: Int
  let fileSize: Int
  /// Seconds of processor time, of all threads; nil of a run that was made before they were counted.
  let cpuSeconds: Double?
  /// Bytes.
  let peakMemory: Int
  let cpu: String
  let program: String
  /// Step, lower layer and upper layer of ASLoRA's merges, of all module types.
  let merges: [(step: Int, lower: Int, upper: Int)]

  init(file: String) throws {
    let root = try JSONField(parsing: Array(Data(contentsOf: URL(fileURLWithPath: file))), file: file)
    let cell = try root.member("cell"), train = try root.member("train_info"), meta = try root.member("meta_info")
    (arm, task) = (try cell.member("arm").string(), try cell.member("task").string())
    (rate, seed) = (try cell.member("learning_rate").number(), try cell.member("seed").integer())
    metric = try root.member("metric").string()
    (selectionScore, reportScore) = (
      try root.member("selection_score").number(), try root.member("report_score").number()
    )
    adapterParameters = try train.member("num_adapter_params").integer()
    fileSize = try train.member("file_size").integer()
    cpuSeconds = try train.optional("cpu_seconds")?.number()
    peakMemory = try train.member("peak_memory_bytes").integer()
    (cpu, program) = (try meta.member("cpu").string(), try meta.member("program_sha256").string())
    merges = try root.member("merges").elements().map { merge in
      let values = try merge.elements()
      return (try values[0].integer(), try values[2].integer(), try values[3].integer())
    }
  }

  /// All runs of a directory, in the order of their names.
  static func all(in directory: String) throws -> [EvidenceRun] {
    guard FileManager.default.fileExists(atPath: directory) else { return [] }
    return try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(".json") }.sorted()
      .map { try EvidenceRun(file: "\(directory)/\($0)") }
  }
}

/// What a run is a run of.
struct EvidenceCell: Hashable {
  let arm: String
  let task: String
  let rate: Double
  let seed: Int
}

extension EvidenceRun {
  /// Which run of the plan it is.
  var cell: EvidenceCell { EvidenceCell(arm: arm, task: task, rate: rate, seed: seed) }
}

/// The runs of a plan, by what they show.
struct Evidence {
  let plan: EvidencePlan
  let runs: [EvidenceRun]

  /// The learning rate of an arm: the best mean of the first halves, the smaller of equals; nil while a run is missing.
  func rate(of arm: String) -> Double? {
    var best: (score: Double, rate: Double)?
    for rate in plan.learningRates {
      let scores = plan.rateTasks.compactMap { task in
        runs.first { $0.arm == arm && $0.task == task && $0.rate == rate && $0.seed == plan.rateSeed }?.selectionScore
      }
      guard scores.count == plan.rateTasks.count else { return nil }
      let mean = scores.reduce(0, +) / Double(scores.count)
      if best.map({ mean > $0.score }) ?? true { best = (mean, rate) }
    }
    return best?.rate
  }

  /// The runs of an arm at its rate on a task, by seed.
  func runs(of arm: String, on task: String, seeds: [Int]) -> [Int: EvidenceRun] {
    guard let rate = rate(of: arm) else { return [:] }
    let own = runs.filter { $0.arm == arm && $0.task == task && $0.rate == rate && seeds.contains($0.seed) }
    return Dictionary(own.map { ($0.seed, $0) }) { first, _ in first }
  }

  /// How many runs of the whole plan are missing, and how many there are to be: those of the groups, and those that choose
  /// the learning rates, of which one for each arm and task is a run of its group too.
  var missing: (missing: Int, all: Int) {
    let arms = Set(plan.groups.flatMap(\.arms))
    var chosen = 0, own: Set<EvidenceCell> = [], all = arms.count * plan.rateTasks.count * plan.learningRates.count
    for arm in arms {
      for task in plan.rateTasks {
        own.formUnion(plan.learningRates.map { EvidenceCell(arm: arm, task: task, rate: $0, seed: plan.rateSeed) })
      }
    }
    for group in plan.groups {
      let isChosen = group.seeds.contains(plan.rateSeed)
      chosen += isChosen ? group.arms.count * group.tasks.count { plan.rateTasks.contains($0) } : 0
      all += group.arms.count * group.tasks.count * group.seeds.count
      for arm in group.arms {
        guard let rate = rate(of: arm) else { continue }
        for task in group.tasks {
          own.formUnion(group.seeds.map { EvidenceCell(arm: arm, task: task, rate: rate, seed: $0) })
        }
      }
    }
    all -= chosen
    return (all - own.intersection(runs.map(\.cell)).count, all)
  }

  /// How many runs of a group are missing, and how many there are to be.
  func missing(_ group: EvidencePlan.Group) -> (missing: Int, all: Int) {
    let cells = group.arms.flatMap { arm in group.tasks.map { (arm, $0) } }
    let found = cells.reduce(0) { $0 + runs(of: $1.0, on: $1.1, seeds: group.seeds).count }
    let all = cells.count * group.seeds.count
    return (all - found, all)
  }
}
