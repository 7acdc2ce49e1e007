import Autograd
import Metrics
import Models

/// The next token of texts: cross-entropy, averaged over the tokens of the whole batch that count. The tokens of a
/// document see only that document.
public struct LanguageModelling: Objective {
  /// What an evaluation reports, the main metric first, the loss last.
  public let metrics: [Metric]

  /// Language modelling, which reports perplexity and loss.
  public init(metrics: [Metric] = [.perplexity]) { self.metrics = metrics.endingWithLoss }

  /// The form in which the model is loaded.
  public var modelUse: ModelUse { .languageModel }

  /// Targets can be smoothed.
  public var smoothsLabels: Bool { true }

  /// A batch, ready to go through the model.
  public func batch(
    _ items: [EncodedDataset.Item], _ model: ObjectiveModel, _ purpose: BatchPurpose
  ) -> any ObjectiveBatch {
    DocumentBatch(items, model.language, purpose)
  }

  /// What the items of a split and their result mean to the metrics.
  public func predictions(_ items: [EncodedDataset.Item], _ result: BatchResult) -> Predictions? {
    Predictions(scores: [], labels: [], meanLoss: result.meanLoss)
  }
}

/// The documents of a batch's items, numbered through, so that dropout does not depend on how the batch is cut.
private struct DocumentBatch: ObjectiveBatch {
  private struct Document: Sendable {
    let ids: [Int32]
    let number: Int
    /// For every token the next one, or −1 where that does not count.
    let targets: [Int32]
  }

  private let documents: [[Document]]
  private let counts: [Int]
  private let model: LanguageModel
  private let weight: Float
  private let smoothing: Float
  let lengths: [Int]

  init(_ items: [EncodedDataset.Item], _ model: LanguageModel, _ purpose: BatchPurpose) {
    var number = 0
    documents = items.map { item in
      item.documentIDs.map { ids, document in
        defer { number += 1 }
        return Document(ids: ids, number: number, targets: document.nextTokens(ids))
      }
    }
    counts = items.map(\.targetCount)
    lengths = items.map(\.ids.count)
    self.model = model
    switch purpose {
    case .training(let labelSmoothing):
      (weight, smoothing) = (1 / Float(max(1, counts.reduce(0, +))), Float(labelSmoothing))
    case .evaluation: (weight, smoothing) = (1, 0)
    }
  }

  func forward(_ shard: [Int], _ context: ForwardContext) -> [UnitResult] {
    let parts = shard.flatMap { documents[$0] }
    let tokens = PackedTokens(parts.map { ($0.ids, []) }, examples: parts.map(\.number))
    let states = model.decoder.states(tokens, onlyLast: false, context)
    let losses = model.losses(
      states, targets: parts.flatMap(\.targets), weights: [Float](repeating: weight, count: states.rows),
      smoothing: smoothing, context.tape)
    var row = 0
    return shard.map { item in
      let rows = row..<(row + documents[item].reduce(0) { $0 + $1.ids.count })
      row = rows.upperBound
      return UnitResult(loss: losses[rows].reduce(0, +))
    }
  }

  func result(_ units: [UnitResult]) -> BatchResult { BatchResult(losses: units.compactMap(\.loss), counts: counts) }
}
