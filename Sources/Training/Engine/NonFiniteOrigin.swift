import Autograd
import Kernels

/// Where a batch's first number that is not finite comes from.
struct NonFiniteOrigin: Sendable, Equatable {
  /// The shard, from 0.
  let shard: Int
  /// Shards of the batch.
  let shards: Int
  /// Positions in the batch of the examples concerned; the whole shard's where a derivative mixes them.
  let examples: [Int]
  /// The operation, in words.
  let operation: String
}

extension ClassifierEngine {
  /// Repeats a batch shard by shard under a trace, and names the first operation that gives NaN or infinity; nil where
  /// every shard alone is finite and only the sum over them is not.
  func firstNonFinite(
    _ items: [EncodedDataset.Item], state: TrainableState, dropout: DropoutSource?
  ) -> NonFiniteOrigin? {
    let plan = ShardPlan(lengths: items.map(\.ids.count))
    let adapters = state.adapters(sites: sites, scale: scale, dropout: loraDropout)
    let weight = 1 / Double(items.count)
    let parameter = state.nonFiniteTensor.map { "the trained tensor \($0), which an earlier step left so" }
    let workspace = Workspace()
    for (index, shard) in plan.shards.enumerated() {
      let trace = NumberTrace()
      let gradients = FloatStorage(zeros: state.parameterCount)
      let tape = Tape(
        workspace: workspace, parameters: state.values, gradients: gradients, dropout: dropout, precision: precision)
      tape.trace = trace
      let losses = forward(items, shard, tape, adapters, state.headReferences, weight: weight).losses
      trace.forwardIsDone()
      if trace.finding == nil, let bad = losses.firstIndex(where: { !$0.isFinite }) {
        return NonFiniteOrigin(shard: index, shards: plan.shards.count, examples: [shard[bad]], operation: "the loss")
      }
      tape.backward()
      guard let finding = trace.finding else { continue }
      return NonFiniteOrigin(
        shard: index, shards: plan.shards.count, examples: finding.examples.isEmpty ? shard : finding.examples,
        operation: parameter ?? finding.words)
    }
    return nil
  }
}

extension NumberTrace.Finding {
  fileprivate var words: String {
    isBackward ? "the derivative of \(operation)" : "\(operation), operation \(number ?? 0) of the forward pass"
  }
}

extension TrainableState {
  /// The name of a trained tensor with NaN or infinity in it.
  var nonFiniteTensor: String? {
    table.tensors.first { !self[$0].allSatisfy(\.isFinite) }.map { table.name(of: $0) }
      ?? head.indices.first { !self[head: $0].allSatisfy(\.isFinite) }.map { head[$0].name }
  }
}
