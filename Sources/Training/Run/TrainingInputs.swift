import Adapters
import Cluster
import Configuration
import Metrics
import Models
import Tasks

/// The data that a run trains on and the state that it begins with, for `train` and its dry run alike. Writes nothing.
struct TrainingInputs {
  /// Model, data and tokenizer.
  let data: TrainingData
  let resumed: ResumePoint?
  /// Where the run begins; nil if inputs are missing.
  let start: TrainingSnapshot?
  /// Missing inputs, in words; none unless they are listed.
  let missing: [String]
  /// Notes for the user.
  let notices: [String]

  /// Reads and checks everything that `config` names, on every rank; only rank 0 looks at the output directory. With
  /// `isDryRun`, missing inputs are listed and the output directory is not locked.
  init(
    _ config: RunConfig, threads: Int, start: RunStart, isDryRun: Bool = false, cluster: Cluster = .alone,
    allowsMixedMachines: Bool = false
  ) throws {
    let output = OutputDirectory(config.outputDir)
    var data = try cluster.together {
      if cluster.leads { try output.refuseIfTaken(overwrite: start != .fresh) }
      return try TrainingData(config, threads: threads, inputs: isDryRun ? .listed : .required, cluster: cluster)
    }
    var notices = data.notices
    notices += try RankIdentity(data).requireEqual(on: cluster, allowsMixedMachines: allowsMixedMachines)
    let resumed = try cluster.together {
      start == .resume && cluster.leads
        ? try ResumePoint(output, catalog: config.catalog, locks: !isDryRun) : nil
    }
    notices += resumed?.notices ?? []
    var missing = data.missing
    self.start = try cluster.withCheckpoint(resumed?.checkpoint, catalog: config.catalog) { checkpoint in
      try data.round(kept: checkpoint?.int8Factors(data.run.geometry))
      return try cluster.together {
        guard let steps = data.steps, let fingerprint = data.fingerprint else {
          try data.checkInitialAdapter(&missing)
          return nil
        }
        guard let checkpoint else { return try data.freshStart(steps, &notices) }
        if cluster.leads {
          notices += try checkpoint.changes(data.run.config, fingerprint: fingerprint, totalSteps: steps.total)
        }
        return try checkpoint.snapshot(
          table: data.run.table, head: data.run.head(), weights: data.run.baseWeights(of: data.run.table))
      }
    }
    (self.data, self.resumed, self.missing, self.notices) = (data, resumed, missing.list, notices)
  }
}

/// A run's model, data and tokenizer, read and checked.
struct TrainingData {
  private(set) var run: PreparedRun
  /// The training examples; nil if they are missing.
  let train: EncodedDataset?
  /// Rows of a classification's training file; known even without a tokenizer.
  let trainExamples: Int?
  /// The splits to score, none with `eval_strategy` no; the first one ranks states.
  let evaluationSets: [(split: Split, data: EncodedDataset)]
  /// The steps; nil if the examples are missing.
  let steps: StepPlan?
  /// Identifies the inputs; nil if some are missing.
  let fingerprint: InputFingerprint?
  /// Missing inputs; none unless they are listed.
  let missing: MissingInputs
  /// Notes for the user.
  let notices: [String]

  init(_ config: RunConfig, threads: Int, inputs: PreparedRun.Inputs, cluster: Cluster = .alone) throws {
    let run = try PreparedRun(config, threads: threads, inputs: inputs, trains: true, cluster: cluster)
    if let task = try? run.task() {
      try config.training.requireRankingMetric(in: task.metrics)
      if config.training.labelSmoothingFactor > 0, !task.objective.smoothsLabels {
        throw RunError.noLabelSmoothing(task: task.name)
      }
    }
    var missing = run.missing, notices = run.notices

    let rows = try missing.find { try run.task().load(.train, toTrain: true) }.value
    train = try missing.find { try rows.map(run.encode) }.value ?? nil
    trainExamples = train?.items.count ?? rows.flatMap { $0.examples.isEmpty ? nil : $0.examples.count }
    if let train, train.items.isEmpty {
      throw RunError.noExamples(file: try run.task().files(.train).joined(separator: ", "))
    }
    if let train, let objective = try? run.task().objective {
      notices += try objective.fitted(to: train.items).notes
      if config.training.labelSmoothingFactor > 0 { notices.append(Self.plainLoss) }
    }
    var evaluationSets: [(split: Split, data: EncodedDataset)] = []
    if config.training.evalStrategy != .no {
      let splits = try missing.find { try run.evaluationSplits() }.value
      notices += splits?.notices ?? []
      for split in splits?.present ?? [] {
        if let data = try missing.find({ try run.load(split) }).value { evaluationSets.append((split, data)) }
      }
    }
    if let task = try? run.task() {
      notices += try config.training.undefinedAreas(evaluationSets, task.labels, task.metrics)
    }
    self.evaluationSets = evaluationSets
    notices += (train?.leftOut ?? []) + evaluationSets.flatMap(\.data.leftOut)
    notices += (try? run.tokenizer().textNotes) ?? []

    steps = trainExamples.map { StepPlan(examples: $0, config.training) }
    if let train, (try? run.network()) != nil {
      fingerprint = try InputFingerprint(train: train, evaluationSets: evaluationSets, model: run.modelDirectory)
    } else {
      fingerprint = nil
    }
    (self.run, self.missing, self.notices) = (run, missing, notices)
  }

  private static let plainLoss =
    "label smoothing is of training alone; the loss of evaluations has none, unlike HF Trainer's"

  /// Rounds the model to eight bits, if the run's precision asks for it: with the factors that a checkpoint `kept`, else
  /// with those for the first examples. Nothing is rounded where inputs are missing.
  mutating func round(kept: Int8Factors?) throws {
    guard let train, fingerprint != nil else { return }
    run = try run.roundedIfNeeded(kept: kept) { train.items }
  }

  /// Where a run begins that no checkpoint continues.
  func freshStart(_ steps: StepPlan, _ notices: inout [String]) throws -> TrainingSnapshot {
    var options = run.config.adapter.methodOptions
    options.seed = run.philox.seed
    return TrainingSnapshot(
      state: try run.freshState(notices: &notices), loop: LoopState(), totalSteps: steps.total,
      procedure: try run.method.procedure?.begin(options, run.table, steps.total))
  }

  /// Checks the adapter that the config begins with, where there is nothing to begin.
  func checkInitialAdapter(_ missing: inout MissingInputs) throws {
    guard let directory = run.config.adapter.initFrom else { return }
    let source = try missing.find { try run.adapter(in: directory) }.value
    _ = try source?.initialise(run.table, scale: run.scale)
  }
}
