import Adapters
import Autograd
import Kernels
import Tasks

/// Where a batch's first number that is not finite comes from.
public struct NonFiniteOrigin: Sendable, Equatable {
  /// The shard, from 0.
  let shard: Int
  /// Shards of the batch.
  let shards: Int
  /// Positions in the batch of the examples concerned; the whole shard's where none of them alone gives such a number.
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
    let workspace = Workspace(), gradients = FloatStorage(zeros: state.parameterCount)
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
