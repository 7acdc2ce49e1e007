import Adapters
import Autograd
import Kernels
import Metrics
import Models
import Tasks

/// Runs a classifier with its adapters over batches: loss and gradients, or logits.
public struct ClassifierEngine: TrainingEngine {
  /// The frozen model.
  public let model: any SequenceClassifier
  /// All linear maps of the model.
  public let sites: [Site]
  /// alpha / r, or alpha / √r.
  public let scale: Double
  /// Dropout on the adapters' inputs.
  public let loraDropout: Double
  /// The workers.
  public let pool: WorkerPool
  /// What products multiply.
  public let precision: Precision
  /// Whether blocks make their activations again for the backward pass.
  public let recomputes: Bool

  /// An engine.
  public init(
    model: any SequenceClassifier, sites: [Site], scale: Double, loraDropout: Double, pool: WorkerPool,
    precision: Precision = .float32, recomputes: Bool = false
  ) {
    self.recomputes = recomputes
    self.precision = precision
    self.model = model
    self.sites = sites
    self.scale = scale
    self.loraDropout = loraDropout
    self.pool = pool
  }

  struct ShardResult: Sendable {
    let losses: [Double]
    let logits: [[Float]]
  }

  /// Adds the gradient of the mean loss of `items` to `gradients`, and returns losses and logits.
  ///
  public func gradients(
    of items: [EncodedDataset.Item], state: TrainableState, dropout: DropoutSource?, into gradients: FloatStorage
  ) -> BatchResult {
    let plan = ShardPlan(lengths: items.map(\.ids.count))
    let adapters = state.adapters(sites: sites, scale: scale, dropout: loraDropout)
    let weight = 1 / Double(items.count)
    let results = pool.mapGradients(plan.shards.count, into: gradients) { index, workspace, storage in
      let tape = Tape(
        workspace: workspace, parameters: state.values, gradients: storage, dropout: dropout, precision: precision)
      let context = ForwardContext(
        tape: tape, adapters: adapters, head: state.headReferences, recomputes: recomputes)
      let result = forward(items, plan.shards[index], context, weight: weight)
      tape.backward()
      return result
    }
    return gather(results, plan, count: items.count)
  }

  /// Losses and logits of `items`, without dropout.
  public func evaluate(_ items: [EncodedDataset.Item], state: TrainableState) -> BatchResult {
    let plan = ShardPlan(lengths: items.map(\.ids.count))
    let adapters = state.adapters(sites: sites, scale: scale, dropout: 0)
    let results = pool.map(plan.shards.count) { index, workspace in
      let tape = Tape(workspace: workspace, parameters: state.values, precision: precision)
      let context = ForwardContext(tape: tape, adapters: adapters, head: state.headReferences)
      return forward(items, plan.shards[index], context, weight: 1)
    }
    return gather(results, plan, count: items.count)
  }

  func forward(
    _ items: [EncodedDataset.Item], _ shard: [Int], _ context: ForwardContext, weight: Double
  ) -> ShardResult {
    let tokens = PackedTokens(shard.map { (items[$0].ids, items[$0].typeIDs) }, examples: shard)
    let logits = model.logits(tokens, context)
    let losses = loss(context.tape, logits, shard.map { items[$0].label }, weight: weight)
    let values = logits.values, columns = logits.columns
    return ShardResult(
      losses: losses, logits: shard.indices.map { Array(values[($0 * columns)..<(($0 + 1) * columns)]) })
  }

  /// The task's metrics, then the mean loss.
  public func metrics(
    _ metrics: [Metric], _ items: [EncodedDataset.Item], _ result: BatchResult
  ) -> [MetricValue] {
    let labels = items.compactMap(\.label)
    guard labels.count == items.count, !items.isEmpty else { return [] }
    return Tasks.evaluate(metrics, scores: result.logits, labels: labels)
      + [MetricValue(name: "loss", value: result.meanLoss)]
  }

  /// Cross-entropy for classes, squared error for scores; no losses where a label is unknown.
  private func loss(_ tape: Tape, _ logits: Tensor, _ labels: [Label?], weight: Double) -> [Double] {
    let classes = labels.compactMap { if case .classIndex(let index) = $0 { index } else { nil } }
    if classes.count == labels.count { return tape.crossEntropy(logits, labels: classes, weight: weight) }
    let scores = labels.compactMap { if case .score(let score) = $0 { score } else { nil } }
    if scores.count == labels.count { return tape.squaredError(logits, targets: scores, weight: weight) }
    return []
  }

  private func gather(_ results: [ShardResult], _ plan: ShardPlan, count: Int) -> BatchResult {
    var losses = [Double](repeating: 0, count: count), logits = [[Float]](repeating: [], count: count)
    var allKnown = true
    for (result, shard) in zip(results, plan.shards) {
      allKnown = allKnown && result.losses.count == shard.count
      for (position, example) in shard.enumerated() {
        logits[example] = result.logits[position]
        if result.losses.count == shard.count { losses[example] = result.losses[position] }
      }
    }
    return BatchResult(losses: allKnown ? losses : [], counts: losses.map { _ in 1 }, logits: logits)
  }
}
