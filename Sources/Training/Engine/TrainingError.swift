import Diagnostics

/// What can go wrong while training.
public enum TrainingError: UserFacingError, Equatable {
  /// The loss or the gradient of a step is NaN or infinite.
  case notFinite(NonFiniteStep)

  /// What is wrong, where, and what would be right.
  public var description: String {
    switch self {
    case .notFinite(let step): step.sentence
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
