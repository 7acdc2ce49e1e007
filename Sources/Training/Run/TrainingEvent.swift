import Adapters
import Metrics
import Tasks

/// What happens while a run trains; the command line renders it, the database records it.
public enum TrainingEvent: Sendable {
  /// An optimiser step is done.
  case step(StepReport)
  /// A log line is due: means since the last one.
  case log(LogReport)
  /// A split was scored.
  case evaluated(EvaluationReport)
  /// ASLoRA merged two groups.
  case merged(GroupMerge)
  /// A checkpoint is due: all that the run needs to go on from here.
  case checkpoint(TrainingSnapshot)
  /// A note for the user.
  case notice(String)
}

/// One optimiser step.
public struct StepReport: Sendable {
  /// 1-based number of the step.
  public let step: Int
  /// Epochs done, with fraction.
  public let epoch: Double
  /// Mean loss over the step's examples.
  public let loss: Double
  /// The rate the step used.
  public let learningRate: Double
  /// Euclidean norm of the gradient before clipping.
  public let gradientNorm: Double
  /// Real tokens of the step.
  public let tokens: Int
  /// Examples of the step.
  public let examples: Int
  /// How long it took.
  public let seconds: Double
}

/// Means over the steps since the last log line.
public struct LogReport: Sendable {
  /// The last of these steps.
  public let step: Int
  /// Epochs done, with fraction.
  public let epoch: Double
  /// Names and values as in the database: loss, learning_rate, grad_norm, tokens_per_second, examples_per_second.
  public let metrics: [MetricValue]
}

/// The scores of one split.
public struct EvaluationReport: Sendable {
  /// Optimiser steps done.
  public let step: Int
  /// Epochs done, with fraction.
  public let epoch: Double
  /// The split.
  public let split: Split
  /// The task's metrics, in order; then `loss` where all labels are known.
  public let metrics: [MetricValue]
  /// Examples scored.
  public let examples: Int
  /// Rows of logits in file order.
  public let logits: [[Float]]

  /// The metric called `name`.
  public subscript(name: String) -> Double? { metrics.first { $0.name == name }?.value }
}
