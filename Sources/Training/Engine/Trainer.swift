import Adapters
import Autograd
import Configuration
import Diagnostics
import Kernels
import Tasks

/// The training loop.
///
/// Batches in, events out: it knows nothing of files and databases. Everything random is a function of the seed and
/// the step, everything that changes is in `state`.
public struct Trainer: Sendable {
  /// What is trained.
  public private(set) var state: TrainableState
  /// Steps of the whole run.
  public let totalSteps: Int
  /// The state with the best validation metric so far, kept where the config asks for it.
  public private(set) var best: BestState?

  private let engine: any TrainingEngine
  private let evaluator: Evaluator
  /// Examples that are scored at once.
  var evalBatchSize: Int { evaluator.batchSize }
  private let config: TrainingConfig
  private let train: EncodedDataset
  private let evaluationSets: [(split: Split, data: EncodedDataset)]
  private let metrics: [Metric]
  private let plan: BatchPlan
  private let merging: ASLoRAPlan?
  private let philox: Philox

  /// A state worth keeping, and how good it was.
  public struct BestState: Sendable {
    /// A copy of the state.
    public let state: TrainableState
    /// Its value of the ranking metric.
    public let value: Double
    /// Its scores, one report a split.
    public let reports: [EvaluationReport]
  }

  /// A loop over `train` that scores `evaluationSets` (the first one ranks states).
  public init(
    state: TrainableState, engine: any TrainingEngine, config: TrainingConfig, train: EncodedDataset,
    evaluationSets: [(split: Split, data: EncodedDataset)], metrics: [Metric], merging: ASLoRAPlan?, philox: Philox
  ) {
    self.state = state
    self.engine = engine
    self.config = config
    self.train = train
    self.evaluationSets = evaluationSets
    self.metrics = metrics
    self.merging = merging
    self.philox = philox
    evaluator = Evaluator(engine: engine, batchSize: config.evalBatchSize)
    plan = BatchPlan(
      examples: train.items.count, batchSize: config.trainBatchSize, accumulation: config.gradientAccumulationSteps)
    totalSteps = plan.totalSteps(epochs: config.numTrainEpochs, maxSteps: config.maxSteps)
  }

  /// How a run ended.
  public struct Outcome: Sendable {
    /// The last scores of every split, or the best state's where that was asked for.
    public let reports: [EvaluationReport]
    /// Whether `shouldStop` ended it.
    public let wasInterrupted: Bool
  }

  /// Trains to the end, or until `shouldStop` says so after a step. Throws `TrainingError` where numbers go wrong.
  public mutating func run(
    shouldStop: () -> Bool = { false }, onEvent: (TrainingEvent) throws -> Void
  ) throws -> Outcome {
    let schedule = LearningRateSchedule(config, totalSteps: totalSteps)
    let optimizer = Optimizer(config)
    var gradients = FloatStorage(zeros: state.parameterCount)
    var window = LogWindow()
    var reports: [EvaluationReport] = []
    var evaluationsWithoutGain = 0
    var order: [Int] = [], orderedEpoch = -1

    while state.step < totalSteps {
      let epochIndex = state.step / plan.stepsPerEpoch
      if epochIndex != orderedEpoch {
        order = config.shuffle ? philox.permutation(plan.examples, epoch: epochIndex) : Array(0..<plan.examples)
        orderedEpoch = epochIndex
      }
      let report = try step(order, schedule, optimizer, gradients)
      window.add(report)
      try onEvent(.step(report))

      if let merging {
        state.updateMeans()
        if merging.isMergeStep(state.step) {
          for event in state.merge(plan: merging) { try onEvent(.merged(event)) }
          gradients = FloatStorage(zeros: state.parameterCount)
        }
      }
      let isLast = state.step == totalSteps
      let stopping = shouldStop()
      if state.step % config.loggingSteps == 0 || isLast || stopping, let line = window.take() {
        try onEvent(.log(line))
      }
      if isEvaluationDue || isLast, !stopping || isLast, !evaluationSets.isEmpty {
        reports = try evaluateAll(onEvent)
        evaluationsWithoutGain = keepIfBest(reports) ? 0 : evaluationsWithoutGain + 1
        if config.earlyStoppingPatience > 0, evaluationsWithoutGain >= config.earlyStoppingPatience, !isLast {
          if let line = window.take() { try onEvent(.log(line)) }
          try onEvent(
            .notice("stopped early: \(config.rankingMetric) has not improved for \(evaluationsWithoutGain) evaluations")
          )
          break
        }
      }
      if stopping, !isLast {
        // Scores of an earlier step are not those of the adapter that is written now.
        return Outcome(reports: reports.filter { $0.step == state.step }, wasInterrupted: true)
      }
    }
    if config.loadBestModelAtEnd, let best {
      state = best.state
      reports = best.reports
    }
    return Outcome(reports: reports, wasInterrupted: false)
  }

  /// One optimiser step: the gradient of the batch's mean loss, clipping, AdamW.
  private mutating func step(
    _ order: [Int], _ schedule: LearningRateSchedule, _ optimizer: Optimizer, _ gradients: FloatStorage
  ) throws -> StepReport {
    let clock = ContinuousClock(), started = clock.now
    let examples = plan.batch(step: state.step, order: order)
    let items = examples.map { train.items[$0] }
    gradients.clear()
    let result = engine.gradients(
      of: items, state: state, dropout: DropoutSource(philox: philox, step: state.step), into: gradients)
    let loss = result.meanLoss
    let norm = gradients.norm
    guard loss.isFinite, norm.isFinite else {
      let culprits = zip(examples, result.losses).filter { !$0.1.isFinite }.map(\.0)
      throw TrainingError.notFinite(
        step: state.step + 1, what: loss.isFinite ? "gradient" : "loss", examples: culprits)
    }
    let rate = schedule.rate(after: state.step)
    optimizer.apply(to: &state, gradients: gradients, gradientNorm: norm, learningRate: rate)
    return StepReport(
      step: state.step, epoch: epoch, loss: loss, learningRate: rate, gradientNorm: norm,
      tokens: items.map(\.ids.count).reduce(0, +), examples: items.count, seconds: (clock.now - started).inSeconds)
  }

  private var epoch: Double { Double(state.step) / Double(plan.stepsPerEpoch) }

  private var isEvaluationDue: Bool {
    switch config.evalStrategy {
    case .no: false
    case .epoch: state.step % plan.stepsPerEpoch == 0
    case .steps: state.step % config.evalSteps == 0
    }
  }

  private func evaluateAll(_ onEvent: (TrainingEvent) throws -> Void) throws -> [EvaluationReport] {
    try evaluationSets.map { split, data in
      let report = evaluator.report(split, data.items, metrics: metrics, state: state, epoch: epoch)
      try onEvent(.evaluated(report))
      return report
    }
  }

  /// Remembers the present state if its ranking metric beats all before; says whether it does.
  private mutating func keepIfBest(_ reports: [EvaluationReport]) -> Bool {
    guard config.loadBestModelAtEnd || config.earlyStoppingPatience > 0,
      let value = reports.first?[config.rankingMetric]
    else { return true }
    if let best, config.greaterIsBetter ? value <= best.value : value >= best.value { return false }
    best = BestState(state: state.snapshot(), value: value, reports: reports)
    return true
  }
}

/// What can go wrong while training.
public enum TrainingError: UserFacingError, Equatable {
  /// The loss or the gradient is NaN or infinite. `examples` are row numbers (from 0) in the training file.
  case notFinite(step: Int, what: String, examples: [Int])

  /// What is wrong, where, and what would be right.
  public var description: String {
    switch self {
    case .notFinite(let step, let what, let examples):
      "step \(step): the \(what) is not a finite number; the step was not applied"
        + (examples.isEmpty
          ? ""
          : " (training examples \(examples.prefix(8).map(String.init).joined(separator: ", "))"
            + (examples.count > 8 ? " and \(examples.count - 8) more)" : ")"))
        + "; a lower training.learning_rate or training.max_grad_norm may help"
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}

/// Sums since the last log line.
private struct LogWindow {
  private var reports: [StepReport] = []

  mutating func add(_ report: StepReport) { reports.append(report) }

  /// The line for the steps so far, and a fresh start; nil where there are none.
  mutating func take() -> LogReport? {
    guard let last = reports.last else { return nil }
    defer { reports = [] }
    let seconds = reports.map(\.seconds).reduce(0, +)
    return LogReport(
      step: last.step, epoch: last.epoch,
      metrics: [
        MetricValue(name: "loss", value: reports.map(\.loss).reduce(0, +) / Double(reports.count)),
        MetricValue(name: "learning_rate", value: last.learningRate),
        MetricValue(name: "grad_norm", value: last.gradientNorm),
        MetricValue(name: "tokens_per_second", value: Double(reports.map(\.tokens).reduce(0, +)) / seconds),
        MetricValue(name: "examples_per_second", value: Double(reports.map(\.examples).reduce(0, +)) / seconds),
      ])
  }
}
