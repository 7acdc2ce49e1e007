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
  /// The trained tensors.
  public private(set) var state: TrainableState
  /// Steps of the whole run.
  public var totalSteps: Int { steps.total }
  /// What the loop carries from step to step besides the state.
  public private(set) var loop: LoopState
  private let engine: Engine
  private let config: TrainingConfig
  private let train: EncodedDataset
  private let evaluationSets: [(split: Split, data: EncodedDataset)]
  /// The metric that ranks states; nil if the one that the config names is not reported.
  private let ranking: Metric?
  private let steps: StepPlan
  private var procedure: (any MethodProcedure)?
  private let philox: Philox

  /// A loop over `train` that scores `evaluationSets` (the first one ranks states). `loop` is that of a checkpoint
  /// where `state` is.
  public init(
    state: TrainableState, loop: LoopState = LoopState(), engine: Engine, config: TrainingConfig, train: EncodedDataset,
    evaluationSets: [(split: Split, data: EncodedDataset)], procedure: (any MethodProcedure)?, philox: Philox,
    steps: StepPlan? = nil
  ) {
    self.steps = steps ?? StepPlan(examples: train.items.count, config)
    self.state = state
    self.loop = loop
    self.engine = engine
    self.config = config
    self.train = train
    self.evaluationSets = evaluationSets
    ranking = engine.objective.metrics.first { $0.name == config.rankingMetric }
    self.procedure = procedure
    self.philox = philox
  }

  /// How a run ended.
  public struct Outcome: Sendable {
    /// The last scores of every split, or the best state's with `load_best_model_at_end`.
    public let reports: [EvaluationReport]
    /// Whether `shouldStop` ended it.
    public let wasInterrupted: Bool
  }

  /// Trains to the end, or until `shouldStop` says so after a step, on any rank. Throws `TrainingError` where numbers go wrong, and
  /// before the first step where no evaluation would report the metric that ranks states.
  public mutating func run(
    shouldStop: () -> Bool = { false }, onEvent: (TrainingEvent) throws -> Void
  ) throws -> Outcome {
    try config.requireRankingMetric(in: engine.objective.metrics)
    let schedule = LearningRateSchedule(config, totalSteps: totalSteps)
    let optimizer = Optimizer(config: config)
    var gradients = FloatStorage(zeros: state.storageCount)
    var order: [Int] = [], orderedEpoch = -1

    _ = try engine.cluster.meet(state, loop, stops: false, comparesAll: true)
    // A run may have been stopped when its step was done and its evaluation was not.
    if loop.evaluationIsPending { try evaluate(shouldStop, onEvent) }
    while !isFinished, !loop.evaluationIsPending {
      let epochIndex = state.step / steps.perEpoch
      if epochIndex != orderedEpoch {
        order = config.shuffle ? philox.permutation(steps.examples, epoch: epochIndex) : Array(0..<steps.examples)
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
      for event in runProcedure(order, wasApplied: wasApplied) { try onEvent(event) }
      if gradients.count != state.storageCount { gradients = FloatStorage(zeros: state.storageCount) }
      if state.step % config.loggingSteps == 0 || isFinished, let line = loop.window.take() { try onEvent(.log(line)) }
      if isEvaluationDue || isFinished, !evaluationSets.isEmpty { try evaluate(shouldStop, onEvent) }
      let isStopping = try engine.cluster.meet(
        state, loop, stops: shouldStop(), comparesAll: isCheckpointDue || isFinished)
      let stopping = isStopping && !isFinished || loop.evaluationIsPending
      if isCheckpointDue || isFinished || stopping { try onEvent(.checkpoint(snapshot())) }
      if stopping { break }
    }
    guard isFinished, !loop.evaluationIsPending else {
      // Scores of an earlier step are not those of the adapter that is written now.
      return Outcome(reports: loop.reports.filter { $0.step == state.step }, wasInterrupted: true)
    }
    if config.loadBestModelAtEnd, let best = loop.best {
      state = best.state
      return Outcome(reports: best.reports, wasInterrupted: false)
    }
    return Outcome(reports: loop.reports, wasInterrupted: false)
  }

  /// Everything that the run needs to continue from here.
  public func snapshot() -> TrainingSnapshot {
    TrainingSnapshot(state: state, loop: loop, totalSteps: totalSteps, procedure: procedure)
  }

  /// One optimiser step: gradient of the batch's mean loss, clipping, AdamW.
  private mutating func step(
    _ order: [Int], _ schedule: LearningRateSchedule, _ optimizer: Optimizer, _ gradients: FloatStorage
  ) throws -> StepReport {
    engine.cluster.mark(step: state.step + 1)
    let clock = ContinuousClock(), started = clock.now
    let examples = steps.batch(step: state.step, order: order)
    let items = examples.map { train.items[$0] }
    let dropout = DropoutSource(philox: philox, step: state.step)
    let result = engine.gradients(of: items, state: state, dropout: dropout, into: gradients)
    state.pullBack(gradients)
    let loss = result.meanLoss + state.regularise(gradients)
    let norm = gradients.norm
    guard loss.isFinite, norm.isFinite else {
      // Rank 0 looks for it alone, which takes longer than a step.
      let origin = engine.cluster.patiently {
        defer { engine.cluster.wait() }
        return engine.cluster.leads ? engine.firstNonFinite(items, state: state, dropout: dropout) : nil
      }
      let culprits = origin?.examples.map { examples[examples.startIndex + $0] } ?? []
      throw TrainingError.notFinite(
        NonFiniteStep(
          step: state.step + 1, what: loss.isFinite ? .gradient : .loss, shard: origin?.shard,
          shards: origin?.shards ?? 0, examples: culprits, operation: origin?.operation))
    }
    try state.precondition(gradients)
    let rate = schedule.rate(after: state.step)
    optimizer.apply(to: &state, gradients: gradients, gradientNorm: norm, learningRate: rate)
    return StepReport(
      step: state.step, epoch: epoch, loss: loss, learningRate: rate, gradientNorm: norm,
      tokens: items.map(\.ids.count).reduce(0, +), examples: items.count, seconds: (clock.now - started).inSeconds)
  }

  /// What the method does after the step that is done.
  private mutating func runProcedure(_ order: [Int], wasApplied: Bool) -> [TrainingEvent] {
    if procedure?.wantsWeightGradients(after: state.step) == true { giveWeightGradients(order) }
    return (procedure?.afterStep(&state, wasApplied: wasApplied) ?? []).map { event in
      switch event {
      case .merged(let merge): .merged(merge)
      case .note(let text): .notice(text)
      }
    }
  }

  /// Gives the procedure the gradients of the weights on the batch of the step that is done, some maps at a time, so that
  /// memory stays bounded.
  private mutating func giveWeightGradients(_ order: [Int]) {
    let items = steps.batch(step: state.step - 1, order: order).map { train.items[$0] }
    for probe in state.weightProbes(limit: Self.weightsAtOnce) {
      let gradients = FloatStorage(zeros: probe.count)
      engine.gradients(of: items, state: state, dropout: nil, probe: probe, into: gradients)
      for (position, place) in probe.places.sorted(by: { $0.key < $1.key }) {
        procedure?.take(weightGradient: gradients[place.range], ofSiteAt: position, state)
      }
    }
  }

  /// Numbers of weights' gradients that are computed together: 128 MB.
  private static let weightsAtOnce = 1 << 25

  private var epoch: Double { Double(state.step) / Double(steps.perEpoch) }

  private var isEvaluationDue: Bool {
    switch config.evalStrategy {
    case .no: false
    case .epoch: state.step % steps.perEpoch == 0
    case .steps: state.step % config.evalSteps == 0
    }
  }

  var isFinished: Bool { state.step >= totalSteps || loop.stoppedEarly }

  private var isCheckpointDue: Bool {
    config.saveSteps > 0 && (state.step % config.saveSteps == 0 || state.step % steps.perEpoch == 0)
  }

  /// Skips a step whose numbers were not finite, or throws `error` if there were too many.
  private mutating func skip(_ error: TrainingError, _ onEvent: (TrainingEvent) throws -> Void) throws {
    guard state.skippedSteps + 1 < config.maxNonfiniteSteps else { throw error }
    state.step += 1
    state.skippedSteps += 1
    let count = state.skippedSteps == 1 ? "1 such step" : "\(state.skippedSteps) such steps"
    try onEvent(.notice("\(error); \(count) so far, the run stops at \(config.maxNonfiniteSteps)"))
  }

  /// Scores every split, remembers the best state, and ends a run that no longer improves. If `shouldStop` says so
  /// meanwhile, nothing is kept and the evaluation stays pending.
  private mutating func evaluate(
    _ shouldStop: () -> Bool, _ onEvent: (TrainingEvent) throws -> Void
  ) throws {
    loop.evaluationIsPending = true
    let evaluator = Evaluator(engine: engine, batchSize: config.evalBatchSize)
    var reports: [EvaluationReport] = []
    for (split, data) in evaluationSets {
      guard
        let report = evaluator.report(split, data.items, state: state, epoch: epoch, while: { !shouldStop() })
      else { return }
      reports.append(report)
    }
    for report in reports { try onEvent(.evaluated(report)) }
    loop.reports = reports.map { report in
      EvaluationReport(
        step: report.step, epoch: report.epoch, split: report.split, metrics: report.metrics, examples: report.examples,
        logits: [])
    }
    loop.evaluationIsPending = false
    loop.evaluationsWithoutGain = keepIfBest(loop.reports) ? 0 : loop.evaluationsWithoutGain + 1
    guard config.earlyStoppingPatience > 0, loop.evaluationsWithoutGain >= config.earlyStoppingPatience,
      state.step < totalSteps
    else { return }
    loop.stoppedEarly = true
    if let line = loop.window.take() { try onEvent(.log(line)) }
    try onEvent(
      .notice("stopped early: \(config.rankingMetric) has not improved for \(loop.evaluationsWithoutGain) evaluations"))
  }

  /// Remembers the present state if its ranking metric beats all before; says whether it does.
  private mutating func keepIfBest(_ reports: [EvaluationReport]) -> Bool {
    guard config.loadBestModelAtEnd || config.earlyStoppingPatience > 0,
      let ranking, let value = reports.first?[ranking.name]
    else { return true }
    if value.isNaN { return false }
    if let best = loop.best, ranking.greaterIsBetter ? value <= best.value : value >= best.value { return false }
    loop.best = BestState(state: state, value: value, reports: reports)
    return true
  }
}

extension TrainingConfig {
  /// Throws if models are ranked by a metric that is not among `metrics`.
  func requireRankingMetric(in metrics: [Metric]) throws {
    let ranksModels = metricForBestModel != nil || loadBestModelAtEnd || earlyStoppingPatience > 0
    guard ranksModels, !metrics.contains(where: { $0.name == rankingMetric }) else { return }
    throw TrainingError.metricNotReported(rankingMetric, reported: metrics.map(\.name))
  }
}
