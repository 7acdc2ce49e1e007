import Adapters
import Configuration
import Metrics
import Tasks

/// What a run trains on and where it begins: the second half of the way from a config to a run, which `train` and its
/// dry run both go. Nothing is written.
struct TrainingInputs {
  let run: PreparedRun
  /// The training examples; nil where they are missing.
  let train: EncodedDataset?
  /// Rows of a classification's training file; known where the tokenizer is missing too.
  let trainExamples: Int?
  /// What is scored while training, none with `eval_strategy` no; the first one ranks states.
  let evaluationSets: [(split: Split, data: EncodedDataset)]
  /// The steps; nil where the examples are missing.
  let steps: StepPlan?
  /// Tells other inputs from these; nil where some are missing.
  let fingerprint: InputFingerprint?
  /// The run that is continued.
  let resumed: ResumePoint?
  /// Where the run begins; nil where inputs are missing.
  let start: TrainingSnapshot?
  /// Missing inputs, each with what was looked for; none unless they are listed.
  let missing: [String]
  /// What a person should know.
  let notices: [String]

  /// Reads and checks everything that `config` names. With `isDryRun`, missing inputs are listed and the output
  /// directory is not locked.
  init(_ config: RunConfig, threads: Int, start: RunStart, isDryRun: Bool = false) throws {
    let output = OutputDirectory(config.outputDir)
    try output.refuseIfTaken(overwrite: start != .fresh)
    let run = try PreparedRun(config, threads: threads, inputs: isDryRun ? .listed : .required)
    var missing = run.missing
    resumed = start == .resume ? try ResumePoint(output, catalog: config.catalog, locks: !isDryRun) : nil
    var notices = (try? run.network().notices) ?? []

    let rows = try missing.find { try run.task().load(.train, toTrain: true) }.value
    train = try missing.find { try rows.map(run.encode) }.value ?? nil
    trainExamples = train?.items.count ?? rows.flatMap { $0.examples.isEmpty ? nil : $0.examples.count }
    if let train, train.items.isEmpty { throw RunError.noExamples(file: try run.task().file(.train)) }
    var evaluationSets: [(split: Split, data: EncodedDataset)] = []
    if config.training.evalStrategy != .no {
      let splits = try missing.find { try run.evaluationSplits() }.value
      notices += splits?.notices ?? []
      for split in splits?.present ?? [] {
        if let data = try missing.find({ try run.load(split) }).value { evaluationSets.append((split, data)) }
      }
    }
    self.evaluationSets = evaluationSets
    notices += (train?.leftOut ?? []) + evaluationSets.flatMap(\.data.leftOut)

    steps = trainExamples.map { StepPlan(examples: $0, config.training) }
    if let train, (try? run.network()) != nil {
      fingerprint = try InputFingerprint(train: train, evaluationSets: evaluationSets, model: run.modelDirectory)
    } else {
      fingerprint = nil
    }
    notices += resumed?.notices ?? []
    if let steps, let fingerprint {
      if let checkpoint = resumed?.checkpoint {
        notices += try checkpoint.changes(config, fingerprint: fingerprint, totalSteps: steps.total)
        self.start = try checkpoint.snapshot(table: run.table, head: run.head())
      } else {
        self.start = TrainingSnapshot(
          state: try run.freshState(notices: &notices), loop: LoopState(), totalSteps: steps.total,
          procedure: try run.method.procedure?.begin(config.adapter.methodOptions, run.table, steps.total))
      }
    } else {
      self.start = nil
      if let directory = config.adapter.initFrom {
        let source = try missing.find { try AdapterSource.read(directory, run) }.value
        _ = try source?.initialise(run.table)
      }
    }
    self.run = run
    self.missing = missing.list
    self.notices = notices
  }
}
