import Adapters
import Autograd
import Cluster
import Diagnostics
import Kernels
import Metrics
import Tasks

/// What can go wrong during training. It does on all ranks alike, since it follows from numbers that are equal everywhere.
public enum TrainingError: CommonError, Equatable {
  /// The loss or the gradient of a step is NaN or infinite.
  case notFinite(NonFiniteStep)
  /// No evaluation would report the metric that ranks models.
  case metricNotReported(String, reported: [String])
  /// Models are ranked by areas under curves that the examples do not define.
  case undefinedArea(split: String, label: String)

  /// One exact sentence.
  public var description: String {
    switch self {
    case .notFinite(let step): step.sentence
    case .metricNotReported(let name, let reported):
      "training.metric_for_best_model: \(name) is not reported for this data, only \(reported.joined(separator: ", "))"
    case .undefinedArea: "training.metric_for_best_model: \(problem)"
    }
  }

  /// What is wrong, without the key.
  var problem: String {
    guard case .undefinedArea(let split, let label) = self else { return description }
    return
      "\(split): roc_auc is undefined, and so 0: \"\(label.clipped)\" is the label of every example there, or of none"
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
  /// The first shard with such a number, from 0; nil if only the sum over the shards overflows.
  public let shard: Int?
  /// Shards of the step.
  public let shards: Int
  /// Row numbers (from 0) in the training file of the examples concerned.
  public let examples: [Int]
  /// The first operation that gave such a number, in words.
  public let operation: String?

  fileprivate var sentence: String {
    var text = "step \(step): the \(what.rawValue) is not a finite number; the step was not applied"
    if let operation { text += "; first in \(operation)" }
    if let shard {
      text += ", shard \(shard + 1) of \(shards)"
      if !examples.isEmpty {
        text += ", training example\(examples.count == 1 ? "" : "s") \(examples.map(String.init).firstThree)"
      }
    }
    return text + "; a lower training.learning_rate or training.max_grad_norm may help"
  }
}

/// Where a batch's first number that is not finite comes from.
struct NonFiniteOrigin: Sendable, Equatable {
  /// The shard, from 0.
  let shard: Int
  /// Shards of the batch.
  let shards: Int
  /// Positions in the batch of the examples concerned; all of the shard if none of them alone gives such a number.
  let examples: [Int]
  /// The operation, in words.
  let operation: String
}

extension NonFiniteOrigin {
  /// Repeats a batch shard by shard under a trace, and then each example of the first bad shard alone: kernels read
  /// past the end of an example into its neighbour in the pack, so that a NaN of one shows in the other too.
  ///
  /// Nil where every shard alone is finite and only the sum over them is not. `forward` runs units on a tape.
  init?(
    _ plan: ShardPlan, state: TrainableState, dropout: DropoutSource?, precision: Precision,
    forward: ([Int], Tape) -> [UnitResult]
  ) {
    let workspace = Workspace(), gradients = FloatStorage(zeros: state.storageCount)
    /// The first operation that gives such a number.
    func operation(_ units: [Int]) -> String? {
      let trace = NumberTrace()
      gradients.clear()
      let tape = Tape(
        workspace: workspace, parameters: state.values, gradients: gradients, dropout: dropout, precision: precision)
      tape.trace = trace
      let results = forward(units, tape)
      trace.forwardIsDone()
      if trace.finding == nil, results.contains(where: { $0.loss?.isFinite == false }) { return "the loss" }
      tape.backward()
      return trace.finding?.words
    }
    for (index, shard) in plan.shards.enumerated() {
      guard let together = operation(shard) else { continue }
      let alone = shard.compactMap { unit in operation([unit]).map { (unit: unit, operation: $0) } }
      let parameter = state.nonFiniteTensor.map { "the trained tensor \($0), which an earlier step left so" }
      self.init(
        shard: index, shards: plan.shards.count, examples: alone.isEmpty ? shard : alone.map(\.unit),
        operation: parameter ?? alone.first?.operation ?? together)
      return
    }
    return nil
  }
}

extension NumberTrace.Finding {
  fileprivate var words: String {
    isBackward ? "the derivative of \(operation)" : "\(operation), operation \(number ?? 0) of the forward pass"
  }
}
