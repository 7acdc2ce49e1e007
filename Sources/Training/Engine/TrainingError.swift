import Configuration
import Diagnostics
import Metrics

/// What can go wrong while training.
public enum TrainingError: UserFacingError, Equatable {
  /// The loss or the gradient of a step is NaN or infinite.
  case notFinite(NonFiniteStep)
  /// No evaluation would report the metric that ranks models.
  case metricNotReported(String, reported: [String])

  /// What is wrong, where, and what would be right.
  public var description: String {
    switch self {
    case .notFinite(let step): step.sentence
    case .metricNotReported(let name, let reported):
      "training.metric_for_best_model: \(name) is not reported for this data, only \(reported.joined(separator: ", "))"
    }
  }

  /// Bad input.
  public var exitStatus: ExitStatus { .badInput }
}

/// A step that was not applied because its numbers are not finite, and where they come from.
public struct NonFiniteStep: Sendable, Equatable {
  /// What was found to be NaN or infinite.
  public enum Quantity: String, Sendable {
    case loss, gradient
  }

  /// 1-based number of the step.
  public let step: Int
  /// Loss or gradient.
  public let what: Quantity
  /// The first shard with such a number, from 0; nil where only the sum over the shards overflows.
  public let shard: Int?
  /// Shards of the step.
  public let shards: Int
  /// Row numbers (from 0) in the training file of the examples concerned.
  public let examples: [Int]
  /// The first operation that gave such a number, in words.
  public let operation: String?

  /// A step of its parts.
  public init(step: Int, what: Quantity, shard: Int?, shards: Int, examples: [Int], operation: String?) {
    self.step = step
    self.what = what
    self.shard = shard
    self.shards = shards
    self.examples = examples
    self.operation = operation
  }

  fileprivate var sentence: String {
    var text = "step \(step): the \(what.rawValue) is not a finite number; the step was not applied"
    if let operation { text += "; first in \(operation)" }
    if let shard {
      text += ", shard \(shard + 1) of \(shards)"
      if !examples.isEmpty {
        text += ", training example\(examples.count == 1 ? "" : "s") "
        text += examples.prefix(8).map(String.init).joined(separator: ", ")
        if examples.count > 8 { text += " and \(examples.count - 8) more" }
      }
    }
    return text + "; a lower training.learning_rate or training.max_grad_norm may help"
  }
}

extension TrainingConfig {
  /// Whether models are ranked.
  var ranksModels: Bool { metricForBestModel != nil || loadBestModelAtEnd || earlyStoppingPatience > 0 }

  /// Throws where models are ranked by a metric that is not among `metrics`.
  func requireRankingMetric(in metrics: [Metric]) throws {
    guard ranksModels, !metrics.contains(where: { $0.name == rankingMetric }) else { return }
    throw TrainingError.metricNotReported(rankingMetric, reported: metrics.map(\.name))
  }
}
