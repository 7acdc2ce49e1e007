import Metrics

/// Sums over the steps since the last log line. They are added in the order of the steps, so that a resumed run logs
/// the same bits.
struct LogWindow: Sendable, Equatable {
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

  /// The log line for the steps so far, which are then forgotten; nil if there are none.
  mutating func take() -> LogReport? {
    guard steps > 0 else { return nil }
    defer { self = LogWindow() }
    return LogReport(
      step: lastStep, epoch: lastEpoch,
      metrics: [
        ("loss", lossSum / Double(steps)), ("learning_rate", lastLearningRate), ("grad_norm", lastGradientNorm),
        ("tokens_per_second", Double(tokens) / seconds), ("examples_per_second", Double(examples) / seconds),
      ].map(MetricValue.init(name:value:)))
  }
}
