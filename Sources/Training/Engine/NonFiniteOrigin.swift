import Adapters
import Autograd
import Kernels
import Models

/// Where a batch's first number that is not finite comes from.
public struct NonFiniteOrigin: Sendable, Equatable {
  /// The shard, from 0.
  let shard: Int
  /// Shards of the batch.
  let shards: Int
  /// Positions in the batch of the examples concerned; the whole shard's where a derivative mixes them.
  let examples: [Int]
  /// The operation, in words.
  let operation: String
}

extension NonFiniteOrigin {
  /// Repeats a batch shard by shard under a trace, and names the first operation that gives NaN or infinity; nil where
  /// every shard alone is finite and only the sum over them is not.
  ///
  /// - Parameters:
  ///   - item: the position in the batch of what a tape's layout calls an example.
  ///   - forward: runs a shard on a tape and gives the losses of its examples.
  init?(
    _ plan: ShardPlan, state: TrainableState, dropout: DropoutSource?, precision: Precision,
    item: (Int) -> Int = { $0 }, forward: (_ shard: [Int], Tape) -> [Double]
  ) {
    let parameter = state.nonFiniteTensor.map { "the trained tensor \($0), which an earlier step left so" }
    let workspace = Workspace()
    for (index, shard) in plan.shards.enumerated() {
      let trace = NumberTrace()
      let gradients = FloatStorage(zeros: state.storageCount)
      let tape = Tape(
        workspace: workspace, parameters: state.values, gradients: gradients, dropout: dropout, precision: precision)
      tape.trace = trace
      let losses = forward(shard, tape)
      trace.forwardIsDone()
      if trace.finding == nil, let bad = losses.firstIndex(where: { !$0.isFinite }) {
        self.init(shard: index, shards: plan.shards.count, examples: [shard[bad]], operation: "the loss")
        return
      }
      tape.backward()
      guard let finding = trace.finding else { continue }
      let examples = Set(finding.examples.map(item)).sorted()
      self.init(
        shard: index, shards: plan.shards.count, examples: examples.isEmpty ? shard : examples,
        operation: parameter ?? finding.words)
      return
    }
    return nil
  }
}

extension ClassifierEngine {
  /// Where a batch's first number that is not finite comes from.
  public func firstNonFinite(
    _ items: [EncodedDataset.Item], state: TrainableState, dropout: DropoutSource?
  ) -> NonFiniteOrigin? {
    let adapters = state.adapters(sites: sites, scale: scale, dropout: loraDropout)
    return NonFiniteOrigin(
      ShardPlan(lengths: items.map(\.ids.count)), state: state, dropout: dropout, precision: precision
    ) { shard, tape in
      forward(
        items, shard, ForwardContext(tape: tape, adapters: adapters, head: state.headReferences),
        weight: 1 / Double(items.count)
      ).losses
    }
  }
}

extension NumberTrace.Finding {
  fileprivate var words: String {
    isBackward ? "the derivative of \(operation)" : "\(operation), operation \(number ?? 0) of the forward pass"
  }
}
