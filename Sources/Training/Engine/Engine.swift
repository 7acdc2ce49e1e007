import Adapters
import Algorithms
import Autograd
import Cluster
import Kernels
import Metrics
import Models
import Tasks

/// Runs a frozen model with its adapters over batches, for any objective: gradients and losses, or scores.
///
/// A batch is cut into shards, a worker takes each through the model, and what they gave is gathered in order.
public struct Engine: Sendable {
  /// What the model is trained for.
  public let objective: any Objective
  private let model: ObjectiveModel
  private let sites: [Site]
  /// alpha / r, or alpha / √r.
  private let scale: Double
  private let loraDropout: Double
  private let labelSmoothing: Double
  private let pool: WorkerPool
  private let precision: Precision
  /// Whether blocks make their activations again for the backward pass.
  private let recomputes: Bool
  /// Tokens of a shard, if the config says.
  private let shardTokens: Int?
  /// The processes that share a batch.
  let cluster: Cluster
  /// The most threads that compute gradients, each with storages of its own.
  private let workers: Int

  /// An engine for a model with the linear maps `sites`.
  public init(
    _ objective: any Objective, model: ObjectiveModel, sites: [Site], scale: Double, loraDropout: Double = 0,
    labelSmoothing: Double = 0, pool: WorkerPool, precision: Precision = .float32, recomputes: Bool = false,
    shardTokens: Int? = nil, cluster: Cluster = .alone, workers: Int = .max
  ) {
    (self.objective, self.model, self.sites, self.scale) = (objective, model, sites, scale)
    (self.loraDropout, self.labelSmoothing) = (loraDropout, labelSmoothing)
    (self.pool, self.precision, self.recomputes, self.cluster) = (pool, precision, recomputes, cluster)
    (self.shardTokens, self.workers) = (shardTokens, workers)
  }

  /// Sets `gradients` to the gradient of the mean loss of `items`: the shards of this rank are computed here, and the
  /// sum over all of them is the same everywhere. `probe` asks for those of weights, for which `gradients` has room.
  @discardableResult
  public func gradients(
    of items: [EncodedDataset.Item], state: TrainableState, dropout: DropoutSource?, probe: WeightProbe? = nil,
    into gradients: FloatStorage
  ) -> BatchResult {
    let batch = trainingBatch(items), plan = ShardPlan(lengths: batch.lengths, shardTokens: shardTokens)
    let tree = ShardTree(shards: plan.shards.count), span = tree.spans(ranks: cluster.size)[cluster.rank]
    let results = compute(batch, plan, span, of: tree, state: state, dropout: dropout, probe: probe) { nodes in
      cluster.sum(nodes, over: tree, into: gradients)
    }
    return batch.result(plan.gather(cluster.gather(results), order: tree.order))
  }

  /// Computes the first `count` shards of a training step on `items`, to see how long that takes. Says how many there
  /// were.
  func computeShards(
    _ count: Int, of items: [EncodedDataset.Item], state: TrainableState, dropout: DropoutSource
  ) -> Int {
    let batch = trainingBatch(items), plan = ShardPlan(lengths: batch.lengths, shardTokens: shardTokens)
    let tree = ShardTree(shards: min(count, plan.shards.count))
    return compute(batch, plan, 0..<tree.shards, of: tree, state: state, dropout: dropout, use: { _ in }).count
  }

  /// Takes the shards in `span` of the tree's order forward and backward; `use` gets the sums of their gradients.
  private func compute(
    _ batch: any ObjectiveBatch, _ plan: ShardPlan, _ span: Range<Int>, of tree: ShardTree, state: TrainableState,
    dropout: DropoutSource?, probe: WeightProbe? = nil, use: ([ShardTree.Node: FloatStorage]) -> Void
  ) -> [[UnitResult]] {
    let adapters = state.adapters(sites: sites, scale: scale, dropout: loraDropout, probe: probe)
    return pool.mapGradients(span, of: tree, count: probe?.count ?? state.storageCount, atMost: workers) {
      shard, workspace, storage in
      let tape = Tape(
        workspace: workspace, parameters: state.values, gradients: storage, dropout: dropout, precision: precision)
      let context = ForwardContext(
        tape: tape, adapters: adapters, head: state.headReferences, recomputes: recomputes)
      let result = batch.forward(plan.shards[shard], context)
      tape.backward()
      return result
    } use: {
      use($0)
    }
  }

  /// Losses and scores of `items`, without dropout and label smoothing.
  public func evaluate(_ items: [EncodedDataset.Item], state: TrainableState) -> BatchResult {
    evaluate(items, state: state, while: { true }) ?? BatchResult()
  }

  /// The same, as long as `mayContinue`, which is asked between shards; nil if it said no.
  public func evaluate(
    _ items: [EncodedDataset.Item], state: TrainableState, while mayContinue: () -> Bool
  ) -> BatchResult? {
    let batch = objective.batch(items, model, .evaluation),
      plan = ShardPlan(lengths: batch.lengths, shardTokens: shardTokens)
    let adapters = state.adapters(sites: sites, scale: scale, dropout: 0)
    let results = pool.map(plan.shards.count, while: mayContinue) { index, workspace in
      let tape = Tape(workspace: workspace, parameters: state.values, precision: precision)
      return batch.forward(
        plan.shards[index], ForwardContext(tape: tape, adapters: adapters, head: state.headReferences))
    }
    return results.map { batch.result(plan.gather($0, order: Array(plan.shards.indices))) }
  }

  /// The origin of the first number that is not finite, for a batch whose loss or gradient is not finite; nil if every
  /// shard is finite and only their sum is not.
  func firstNonFinite(
    _ items: [EncodedDataset.Item], state: TrainableState, dropout: DropoutSource?
  ) -> NonFiniteOrigin? {
    let batch = trainingBatch(items), plan = ShardPlan(lengths: batch.lengths, shardTokens: shardTokens)
    let adapters = state.adapters(sites: sites, scale: scale, dropout: loraDropout)
    return NonFiniteOrigin(plan, state: state, dropout: dropout, precision: precision) { units, tape in
      batch.forward(units, ForwardContext(tape: tape, adapters: adapters, head: state.headReferences))
    }
  }

  private func trainingBatch(_ items: [EncodedDataset.Item]) -> any ObjectiveBatch {
    objective.batch(items, model, .training(labelSmoothing: labelSmoothing))
  }
}

extension ShardPlan {
  /// The results of all units in the order of the batch, from those of the shards in `order`.
  fileprivate func gather(_ results: [[UnitResult]], order: [Int]) -> [UnitResult] {
    var gathered = [UnitResult](repeating: UnitResult(loss: nil), count: shards.reduce(0) { $0 + $1.count })
    for (results, shard) in zip(results, order) {
      for (result, unit) in zip(results, shards[shard]) { gathered[unit] = result }
    }
    return gathered
  }
}

/// Scores splits with the engine, in batches of `batchSize`.
struct Evaluator: Sendable {
  let engine: Engine
  let batchSize: Int

  /// Batches after which the ranks' results are gathered: four for each of several.
  var round: Int { engine.cluster.isAlone ? 1 : 4 * engine.cluster.size }

  /// The results of all items, in order. `progress` gets the number of items done. Nil if `mayContinue`, which is asked
  /// between shards, says no on any rank.
  ///
  /// Batch b belongs to rank b modulo the number of ranks, whole, so that its bits are the same at any number of them.
  func run(
    _ items: [EncodedDataset.Item], state: TrainableState, while mayContinue: () -> Bool = { true },
    progress: (Int) -> Void = { _ in }
  ) -> BatchResult? {
    let cluster = engine.cluster, batches = Array(items.chunks(ofCount: batchSize).map(Array.init))
    var result = BatchResult()
    for round in batches.indices.chunks(ofCount: round) {
      var own: [BatchResult]? = []
      for index in round where index % cluster.size == cluster.rank {
        guard let scored = engine.evaluate(batches[index], state: state, while: mayContinue) else {
          own = nil
          break
        }
        own?.append(scored)
      }
      guard let ranks = cluster.gather(own) else { return nil }
      for (place, _) in round.enumerated() { result.append(ranks[place % cluster.size][place / cluster.size]) }
      progress(result.counts.count)
    }
    return result
  }

  /// The objective's metrics of a split; none if labels are unknown. Nil if `mayContinue` says no.
  func report(
    _ split: Split, _ items: [EncodedDataset.Item], state: TrainableState, epoch: Double,
    while mayContinue: () -> Bool = { true }, progress: (Int) -> Void = { _ in }
  ) -> EvaluationReport? {
    run(items, state: state, while: mayContinue, progress: progress).map { result in
      EvaluationReport(
        step: state.step, epoch: epoch, split: split, metrics: engine.objective.values(items, result),
        examples: items.count, logits: result.logits)
    }
  }
}
