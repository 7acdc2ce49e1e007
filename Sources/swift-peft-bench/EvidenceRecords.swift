import Foundation
import StrictJSON

/// docs/evidence/plan.json: which runs there are to be.
struct EvidencePlan {
  /// A set of arms that run on the same tasks with the same seeds.
  struct Group {
    let name: String
    let title: String
    let arms: [String]
    /// The tasks by which the learning rates of its arms are chosen.
    let rateTasks: [String]
    let tasks: [String]
    let seeds: [Int]

    /// The arm that the others are compared with.
    static let baseline = "lora"
    /// The arms, behind the baseline where it is none of them.
    var comparedArms: [String] { (arms.contains(Self.baseline) ? [] : [Self.baseline]) + arms }
  }

  let groups: [Group]
  let learningRates: [Double]
  let rateSeed: Int

  init(file: String) throws {
    let root = try JSONField(parsing: Array(Data(contentsOf: URL(fileURLWithPath: file))), file: file)
    let settings = try root.member("settings"), arms = try root.member("arms")
    learningRates = try settings.member("learning_rates").elements().map { try $0.number() }
    rateSeed = try settings.member("rate_seed").integer()
    groups = try root.member("groups").elements().map { group in
      Group(
        name: try group.member("name").string(),
        title: try group.member("title").string(),
        arms: try arms.member(group.member("arms").string()).members().map(\.key),
        rateTasks: try group.member("rate_tasks").strings(),
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
  /// The loss of WikiText-2 after training, of a language model.
  let textLoss: Double?
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
  /// ASLoRA's merges, of all module types.
  let merges: [EvidenceMerge]

  init(file: String) throws {
    let root = try JSONField(parsing: Array(Data(contentsOf: URL(fileURLWithPath: file))), file: file)
    let cell = try root.member("cell"), train = try root.member("train_info"), meta = try root.member("meta_info")
    (arm, task) = (try cell.member("arm").string(), try cell.member("task").string())
    (rate, seed) = (try cell.member("learning_rate").number(), try cell.member("seed").integer())
    metric = try root.member("metric").string()
    (selectionScore, reportScore) = (
      try root.member("selection_score").number(), try root.member("report_score").number()
    )
    textLoss = try root.optional("report")?.optional("wikitext2_loss")?.number()
    adapterParameters = try train.member("num_adapter_params").integer()
    fileSize = try train.member("file_size").integer()
    cpuSeconds = try train.optional("cpu_seconds")?.number()
    peakMemory = try train.member("peak_memory_bytes").integer()
    (cpu, program) = (try meta.member("cpu").string(), try meta.member("program_sha256").string())
    merges = try root.member("merges").elements().map { merge in
      let values = try merge.elements()
      return EvidenceMerge(
        step: try values[0].integer(), module: try values[1].string(), lower: try values[2].integer(),
        upper: try values[3].integer())
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

extension EvidenceRun {
  /// The score by which rates are chosen, turned so that more is better.
  var gain: Double { metric == "loss" ? -selectionScore : selectionScore }
}

/// The losses of the language model without an adapter, docs/evidence/base.json.
struct EvidenceBase {
  /// Of the second half of the held-out instructions.
  let report: Double
  /// Of WikiText-2.
  let text: Double

  init(file: String) throws {
    let root = try JSONField(parsing: Array(Data(contentsOf: URL(fileURLWithPath: file))), file: file)
    (report, text) = (try root.member("report").number(), try root.member("wikitext2").number())
  }
}

/// The runs of a plan, by what they show.
struct Evidence {
  let plan: EvidencePlan
  let runs: [EvidenceRun]
  /// Runs of the same cells by PyTorch and PEFT.
  let peers: [EvidenceRun]
  let base: EvidenceBase?

  /// Reads docs/evidence.
  init(folder: String) throws {
    plan = try EvidencePlan(file: "\(folder)/plan.json")
    runs = try EvidenceRun.all(in: "\(folder)/runs")
    peers = try EvidenceRun.all(in: "\(folder)/peft")
    let file = "\(folder)/base.json"
    base = FileManager.default.fileExists(atPath: file) ? try EvidenceBase(file: file) : nil
  }

  /// The learning rate of an arm in a group: the best mean of the first halves, the smaller of equals; nil while a run is
  /// missing.
  func rate(of arm: String, in group: EvidencePlan.Group) -> Double? {
    var best: (score: Double, rate: Double)?
    for rate in plan.learningRates {
      let scores = group.rateTasks.compactMap { task in
        runs.first { $0.cell == EvidenceCell(arm: arm, task: task, rate: rate, seed: plan.rateSeed) }?.gain
      }
      guard scores.count == group.rateTasks.count else { return nil }
      let mean = scores.reduce(0, +) / Double(scores.count)
      if best.map({ mean > $0.score }) ?? true { best = (mean, rate) }
    }
    return best?.rate
  }

  /// The runs of an arm at its rate on a task, by seed.
  func runs(of arm: String, on task: String, in group: EvidencePlan.Group) -> [Int: EvidenceRun] {
    guard let rate = rate(of: arm, in: group) else { return [:] }
    let own = runs.filter { $0.arm == arm && $0.task == task && $0.rate == rate && group.seeds.contains($0.seed) }
    return Dictionary(own.map { ($0.seed, $0) }) { first, _ in first }
  }

  /// How many runs of the whole plan are missing, and how many there are to be, those that choose the learning rates included.
  var missing: (missing: Int, all: Int) {
    var cells: Set<EvidenceCell> = []
    for group in plan.groups {
      for arm in group.arms {
        for task in group.rateTasks {
          cells.formUnion(plan.learningRates.map { EvidenceCell(arm: arm, task: task, rate: $0, seed: plan.rateSeed) })
        }
        // Whichever rate is chosen, there are as many runs.
        guard let rate = rate(of: arm, in: group) ?? plan.learningRates.first else { continue }
        for task in group.tasks {
          cells.formUnion(group.seeds.map { EvidenceCell(arm: arm, task: task, rate: rate, seed: $0) })
        }
      }
    }
    return (cells.subtracting(runs.map(\.cell)).count, cells.count)
  }

  /// How many runs of a group are missing, and how many there are to be.
  func missing(_ group: EvidencePlan.Group) -> (missing: Int, all: Int) {
    let cells = group.arms.flatMap { arm in group.tasks.map { (arm, $0) } }
    let found = cells.reduce(0) { $0 + runs(of: $1.0, on: $1.1, in: group).count }
    let all = cells.count * group.seeds.count
    return (all - found, all)
  }
}
