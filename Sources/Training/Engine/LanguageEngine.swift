import Adapters
import Autograd
import Foundation
import Kernels
import Metrics
import Models
import Tasks

/// Trains a language model with adapters to predict the next token. The loss is the mean over the predicted tokens of
/// the whole batch; a document's tokens see only that document.
public struct LanguageEngine: TrainingEngine {
  /// The frozen model.
  public let model: LanguageModel
  /// All linear maps of the model.
  public let sites: [Site]
  /// alpha / r, or alpha / √r.
  public let scale: Double
  /// Dropout on the adapters' inputs.
  public let loraDropout: Double
  /// The share of each target that is spread over the vocabulary, while training.
  public let labelSmoothing: Double
  /// The workers.
  public let pool: WorkerPool
  /// What products multiply.
  public let precision: Precision
  /// Whether blocks make their activations again for the backward pass.
  public let recomputes: Bool

  /// An engine.
  public init(
    model: LanguageModel, sites: [Site], scale: Double, loraDropout: Double, labelSmoothing: Double = 0,
    pool: WorkerPool, precision: Precision = .float32, recomputes: Bool = false
  ) {
    self.recomputes = recomputes
    self.precision = precision
    self.model = model
    self.sites = sites
    self.scale = scale
    self.loraDropout = loraDropout
    self.labelSmoothing = labelSmoothing
    self.pool = pool
  }

  /// Adds the gradient of the mean loss over the predicted tokens of `items` to `gradients`.
  public func gradients(
    of items: [EncodedDataset.Item], state: TrainableState, dropout: DropoutSource?, into gradients: FloatStorage
  ) -> BatchResult {
    let batch = Batch(items), plan = ShardPlan(lengths: items.map(\.ids.count))
    let adapters = state.adapters(sites: sites, scale: scale, dropout: loraDropout)
    let weight = 1 / Float(max(1, batch.counts.reduce(0, +)))
    let losses = pool.mapGradients(plan.shards.count, into: gradients) { index, workspace, storage in
      let tape = Tape(
        workspace: workspace, parameters: state.values, gradients: storage, dropout: dropout,
        precision: precision)
      let losses = forward(
        batch, plan.shards[index], ForwardContext(tape: tape, adapters: adapters, head: [], recomputes: recomputes),
        weight: weight,
        smoothing: Float(labelSmoothing))
      tape.backward()
      return losses
    }
    return gather(losses, batch, plan)
  }

  /// Losses of `items`, without dropout and label smoothing; of questions with choices their log-likelihoods too.
  public func evaluate(_ items: [EncodedDataset.Item], state: TrainableState) -> BatchResult {
    if items.contains(where: { $0.choices != nil }) { return evaluateChoices(items, state: state) }
    let batch = Batch(items), plan = ShardPlan(lengths: items.map(\.ids.count))
    let adapters = state.adapters(sites: sites, scale: scale, dropout: 0)
    let losses = pool.map(plan.shards.count) { index, workspace in
      let tape = Tape(workspace: workspace, parameters: state.values, precision: precision)
      return forward(
        batch, plan.shards[index], ForwardContext(tape: tape, adapters: adapters, head: []), weight: 1, smoothing: 0)
    }
    return gather(losses, batch, plan)
  }

  /// Where a batch's first number that is not finite comes from. Examples are items, whose documents may be several.
  public func firstNonFinite(
    _ items: [EncodedDataset.Item], state: TrainableState, dropout: DropoutSource?
  ) -> NonFiniteOrigin? {
    let batch = Batch(items), adapters = state.adapters(sites: sites, scale: scale, dropout: loraDropout)
    let weight = 1 / Float(max(1, batch.counts.reduce(0, +)))
    return NonFiniteOrigin(
      ShardPlan(lengths: items.map(\.ids.count)), state: state, dropout: dropout, precision: precision,
      item: { number in batch.documents.firstIndex { $0.contains { $0.number == number } } ?? 0 }
    ) { shard, tape in
      forward(
        batch, shard, ForwardContext(tape: tape, adapters: adapters, head: []), weight: weight,
        smoothing: Float(labelSmoothing))
    }
  }

  /// Perplexity, the exponential of the mean loss, and the loss; of questions with choices their accuracy and the loss.
  public func metrics(
    _ metrics: [Metric], _ items: [EncodedDataset.Item], _ result: BatchResult
  ) -> [MetricValue] {
    guard !items.isEmpty else { return [] }
    if items.contains(where: { $0.choices != nil }) { return choiceMetrics(items, result) }
    let loss = result.meanLoss
    return [MetricValue(name: "perplexity", value: exp(loss)), MetricValue(name: "loss", value: loss)]
  }

  /// The summed loss of every item of the shard.
  private func forward(
    _ batch: Batch, _ shard: [Int], _ context: ForwardContext, weight: Float, smoothing: Float
  ) -> [Double] {
    let parts = shard.flatMap { batch.documents[$0] }
    let tokens = PackedTokens(parts.map { ($0.ids, []) }, examples: parts.map(\.number))
    let states = model.decoder.states(tokens, onlyLast: false, context)
    let losses = context.tape.languageModelLoss(
      states, head: model.head, targets: parts.flatMap(\.targets),
      weights: [Float](repeating: weight, count: states.rows), smoothing: smoothing)
    var row = 0
    return shard.map { item in
      let rows = row..<(row + batch.documents[item].reduce(0) { $0 + $1.ids.count })
      row = rows.upperBound
      return losses[rows].reduce(0, +)
    }
  }

  private func gather(_ losses: [[Double]], _ batch: Batch, _ plan: ShardPlan) -> BatchResult {
    var result = BatchResult(losses: batch.counts.map { _ in 0 }, counts: batch.counts)
    for (losses, shard) in zip(losses, plan.shards) {
      for (loss, item) in zip(losses, shard) { result.losses[item] = loss }
    }
    return result
  }
}

/// The documents of a batch's items, numbered through, so that dropout does not depend on how the batch is cut.
private struct Batch: Sendable {
  struct Document: Sendable {
    let ids: [Int32]
    let number: Int
    /// For every token the next one, or −1 where that does not count.
    let targets: [Int32]
  }

  let documents: [[Document]]
  /// Targets of each item.
  let counts: [Int]

  init(_ items: [EncodedDataset.Item]) {
    var number = 0
    documents = items.map { item in
      var start = 0
      return item.documents.map { part in
        let ids = Array(item.ids[start..<(start + part.length)])
        start += part.length
        number += 1
        let targets = ids.indices.map { place in
          place + 1 < ids.count && place + 1 >= part.firstTarget ? ids[place + 1] : -1
        }
        return Document(ids: ids, number: number - 1, targets: targets)
      }
    }
    counts = items.map(\.targetCount)
  }
}
