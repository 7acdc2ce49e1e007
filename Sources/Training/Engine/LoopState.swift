import Adapters
import Metrics
import Tasks

/// What the training loop carries from step to step beside the trainable state: a checkpoint holds both.
public struct LoopState: Sendable {
  /// Sums since the last log line.
  public var window = LogWindow()
  /// The last scores of every split, without logits.
  public var reports: [EvaluationReport] = []
  /// The state with the best validation metric so far, kept where the config asks for it.
  public var best: BestState?
  /// Evaluations since the best one.
  public var evaluationsWithoutGain = 0
  /// Whether patience ran out.
  public var stoppedEarly = false
  /// Whether the evaluation that belongs to the present step is still to be done: the run was stopped before it.
  public var evaluationIsPending = false

  /// A run that has not begun.
  public init() {}
}

/// A state worth keeping, and how good it was.
public struct BestState: Sendable {
  /// A copy of the state. Its moments are of no use.
  public let state: TrainableState
  /// Its value of the ranking metric.
  public let value: Double
  /// Its scores, one report a split, without logits.
  public let reports: [EvaluationReport]

  /// A state and its scores.
  public init(state: TrainableState, value: Double, reports: [EvaluationReport]) {
    self.state = state
    self.value = value
    self.reports = reports
  }
}

/// A run between two steps: with the config, all that it needs to go on.
public struct TrainingSnapshot: Sendable {
  /// Tensors, moments, means, sharing table, step.
  public let state: TrainableState
  /// The rest of the loop.
  public let loop: LoopState
  /// Steps of the whole run, as planned when the snapshot was taken.
  public let totalSteps: Int
  /// What the method does between steps; nil for nothing.
  public let procedure: (any MethodProcedure)?

  /// A snapshot of its parts.
  public init(state: TrainableState, loop: LoopState, totalSteps: Int, procedure: (any MethodProcedure)?) {
    self.state = state
    self.loop = loop
    self.totalSteps = totalSteps
    self.procedure = procedure
  }
}

/// Sums over the steps since the last log line. They are added in the order of the steps, so that a resumed run logs
/// the same bits.
public struct LogWindow: Sendable, Equatable {
  var steps = 0
  var lossSum = 0.0
  var tokens = 0
  var examples = 0
  var seconds = 0.0
  var lastStep = 0
  var lastEpoch = 0.0
  var lastLearningRate = 0.0
  var lastGradientNorm = 0.0

  mutating func add(_ report: StepReport) {
    steps += 1
    lossSum += report.loss
    tokens += report.tokens
    examples += report.examples
    seconds += report.seconds
    lastStep = report.step
    lastEpoch = report.epoch
    lastLearningRate = report.learningRate
    lastGradientNorm = report.gradientNorm
  }

  /// The line for the steps so far, and a fresh start; nil where there are none.
  mutating func take() -> LogReport? {
    guard steps > 0 else { return nil }
    defer { self = LogWindow() }
    return LogReport(
      step: lastStep, epoch: lastEpoch,
      metrics: [
        MetricValue(name: "loss", value: lossSum / Double(steps)),
        MetricValue(name: "learning_rate", value: lastLearningRate),
        MetricValue(name: "grad_norm", value: lastGradientNorm),
        MetricValue(name: "tokens_per_second", value: Double(tokens) / seconds),
        MetricValue(name: "examples_per_second", value: Double(examples) / seconds),
      ])
  }
}

extension EvaluationReport {
  /// The scores alone.
  var withoutLogits: EvaluationReport {
    EvaluationReport(step: step, epoch: epoch, split: split, metrics: metrics, examples: examples, logits: [])
  }
}
