import Adapters
import Autograd
import Configuration
import Diagnostics
import Kernels
import Metrics
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
  /// What the loop carries from step to step beside the state.
  public private(set) var loop: LoopState
  /// The state with the best validation metric so far, kept where the config asks for it.
  public var best: BestState? { loop.best }

  private let engine: any TrainingEngine
  private let evaluator: Evaluator
  /// Examples that are scored at once.
  var evalBatchSize: Int { evaluator.batchSize }
  private let config: TrainingConfig
  private let train: EncodedDataset
  private let evaluationSets: [(split: Split, data: EncodedDataset)]
  private let metrics: [Metric]
  private let plan: BatchPlan
  private var procedure: (any MethodProcedure)?
  private let philox: Philox

  /// A loop over `train` that scores `evaluationSets` (the first one ranks states). `loop` is that of a checkpoint
  /// where `state` is.
  public init(
    state: TrainableState, loop: LoopState = LoopState(), engine: any TrainingEngine, config: TrainingConfig,
    train: EncodedDataset, evaluationSets: [(split: Split, data: EncodedDataset)], metrics: [Metric],
    procedure: (any MethodProcedure)?, philox: Philox
  ) {
    self.state = state
    self.loop = loop
    self.engine = engine
    self.config = config
    self.train = train
    self.evaluationSets = evaluationSets
    self.metrics = metrics
    self.procedure = procedure
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
    var gradients = FloatStorage(zeros: state.storageCount)
    var order: [Int] = [], orderedEpoch = -1

    // A run may have been stopped when its step was done and its evaluation was not.
    if loop.evaluationIsPending { try evaluate(shouldStop, onEvent) }
    while !isFinished, !loop.evaluationIsPending {
      let epochIndex = state.step / plan.stepsPerEpoch
      if epochIndex != orderedEpoch {
        order = config.shuffle ? philox.permutation(plan.examples, epoch: epochIndex) : Array(0..<plan.examples)
        orderedEpoch = epochIndex
      }
      var wasApplied = true
      do {
        let report = try step(order, schedule, optimizer, gradients)
        loop.window.add(report)
        try onEvent(.step(report))
      } catch let error as TrainingError {
        try skip(error, onEvent)
        wasApplied = false
      }
      for merge in procedure?.afterStep(&state, wasApplied: wasApplied) ?? [] { try onEvent(.merged(merge)) }
      if gradients.count != state.storageCount { gradients = FloatStorage(zeros: state.storageCount) }
      if state.step % config.loggingSteps == 0 || isFinished { try log(onEvent) }
      if isEvaluationDue || isFinished, !evaluationSets.isEmpty { try evaluate(shouldStop, onEvent) }
      let stopping = shouldStop() && !isFinished || loop.evaluationIsPending
      if isCheckpointDue || isFinished || stopping { try onEvent(.checkpoint(snapshot())) }
      if stopping { break }
    }
    guard isFinished, !loop.evaluationIsPending else {
      // Scores of an earlier step are not those of the adapter that is written now.
      return Outcome(reports: loop.reports.filter { $0.step == state.step }, wasInterrupted: true)
    }
    if config.loadBestModelAtEnd, let best {
      state = best.state
      return Outcome(reports: best.reports, wasInterrupted: false)
    }
    return Outcome(reports: loop.reports, wasInterrupted: false)
  }

  /// Everything that the run needs to go on from here.
  public func snapshot() -> TrainingSnapshot {
    TrainingSnapshot(state: state, loop: loop, totalSteps: totalSteps, procedure: procedure)
  }

  /// One optimiser step: the gradient of the batch's mean loss, clipping, AdamW.
  private mutating func step(
    _ order: [Int], _ schedule: LearningRateSchedule, _ optimizer: Optimizer, _ gradients: FloatStorage
  ) throws -> StepReport {
    let clock = ContinuousClock(), started = clock.now
    let examples = plan.batch(step: state.step, order: order)
    let items = examples.map { train.items[$0] }
    let dropout = DropoutSource(philox: philox, step: state.step)
    gradients.clear()
    let result = engine.gradients(of: items, state: state, dropout: dropout, into: gradients)
    state.pullBack(gradients)
    let loss = result.meanLoss
    let norm = gradients.norm
    guard loss.isFinite, norm.isFinite else {
      let origin = engine.firstNonFinite(items, state: state, dropout: dropout)
      let culprits = origin?.examples.map { examples[examples.startIndex + $0] } ?? []
      throw TrainingError.notFinite(
        NonFiniteStep(
          step: state.step + 1, what: loss.isFinite ? .gradient : .loss, shard: origin?.shard,
          shards: origin?.shards ?? 0, examples: culprits, operation: origin?.operation))
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

  /// Whether no step is left to be done.
  var isFinished: Bool { state.step >= totalSteps || loop.stoppedEarly }

  /// Every `save_steps`, and at the end of each epoch.
  private var isCheckpointDue: Bool {
    config.saveSteps > 0 && (state.step % config.saveSteps == 0 || state.step % plan.stepsPerEpoch == 0)
  }

  /// Passes over a step whose numbers were not finite, or throws `error` where there were too many.
  private mutating func skip(_ error: TrainingError, _ onEvent: (TrainingEvent) throws -> Void) throws {
    guard state.skippedSteps + 1 < config.maxNonfiniteSteps else { throw error }
    state.step += 1
    state.skippedSteps += 1
    let count = state.skippedSteps == 1 ? "1 such step" : "\(state.skippedSteps) such steps"
    try onEvent(.notice("\(error); \(count) so far, the run stops at \(config.maxNonfiniteSteps)"))
  }

  private mutating func log(_ onEvent: (TrainingEvent) throws -> Void) throws {
    if let line = loop.window.take() { try onEvent(.log(line)) }
  }

  /// Scores every split, remembers the best state, and ends a run that no longer gains. Where `shouldStop` says so
  /// meanwhile, nothing is kept and the evaluation stays pending.
  private mutating func evaluate(
    _ shouldStop: () -> Bool, _ onEvent: (TrainingEvent) throws -> Void
  ) throws {
    loop.evaluationIsPending = true
    var reports: [EvaluationReport] = []
    for (split, data) in evaluationSets {
      var stopped = shouldStop()
      if !stopped {
        do {
          let report = try evaluator.report(
            split, data.items, metrics: metrics, state: state, epoch: epoch,
            progress: { _ in if shouldStop() { throw EvaluationStopped() } })
          reports.append(report)
        } catch is EvaluationStopped {
          stopped = true
        }
      }
      if stopped { return }
    }
    for report in reports { try onEvent(.evaluated(report)) }
    loop.reports = reports.map(\.withoutLogits)
    loop.evaluationIsPending = false
    loop.evaluationsWithoutGain = keepIfBest(loop.reports) ? 0 : loop.evaluationsWithoutGain + 1
    guard config.earlyStoppingPatience > 0, loop.evaluationsWithoutGain >= config.earlyStoppingPatience,
      state.step < totalSteps
    else { return }
    loop.stoppedEarly = true
    try log(onEvent)
    try onEvent(
      .notice("stopped early: \(config.rankingMetric) has not improved for \(loop.evaluationsWithoutGain) evaluations"))
  }

  private struct EvaluationStopped: Error {}

  /// Remembers the present state if its ranking metric beats all before; says whether it does.
  private mutating func keepIfBest(_ reports: [EvaluationReport]) -> Bool {
    guard config.loadBestModelAtEnd || config.earlyStoppingPatience > 0,
      let value = reports.first?[config.rankingMetric]
    else { return true }
    if value.isNaN { return false }
    if let best, config.greaterIsBetter ? value <= best.value : value >= best.value { return false }
    loop.best = BestState(state: state, value: value, reports: reports)
    return true
  }
}
