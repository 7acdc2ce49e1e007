import Autograd
import Metrics
import Models

/// One of some tags for each word: cross-entropy at the first token of each, averaged over the words of the whole batch.
public struct TokenClassification: Objective {
  /// The names of the tags, by class number.
  public let tags: [String]
  /// What an evaluation reports, the main metric first, the loss last.
  public let metrics: [Metric]

  /// Classification of words by `tags`; the loss is reported after `metrics`.
  public init(
    tags: [String], metrics: [Metric] = [.entityF1, .entityPrecision, .entityRecall, .accuracy]
  ) {
    (self.tags, self.metrics) = (tags, metrics.endingWithLoss)
  }

  /// The form in which the model is loaded.
  public var modelUse: ModelUse { .tokenClassifier(outputs: tags.count) }

  /// A batch, ready to go through the model.
  public func batch(
    _ items: [EncodedDataset.Item], _ model: ObjectiveModel, _ purpose: BatchPurpose
  ) -> any ObjectiveBatch {
    WordBatch(items, model.tokens, purpose)
  }

  /// The words of all items, one after the other; nil where tags are unknown. A row of a result's scores has those of all
  /// words of an item.
  public func predictions(_ items: [EncodedDataset.Item], _ result: BatchResult) -> Predictions? {
    let labels = items.compactMap { $0.words?.tags }
    guard labels.count == items.count else { return nil }
    return Predictions(
      scores: result.logits.flatMap { Self.words($0, outputs: tags.count) },
      labels: labels.joined().map(Label.classIndex), meanLoss: result.meanLoss,
      tagSequences: TagSequences(names: tags, lengths: labels.map(\.count)))
  }

  /// The scores of an item's words, each with one for every tag.
  public static func words(_ row: [Float], outputs: Int) -> [[Float]] {
    stride(from: 0, to: row.count, by: max(1, outputs)).map { Array(row[$0..<min($0 + outputs, row.count)]) }
  }
}

/// Sentences, each with a row of outputs for every word.
private struct WordBatch: ObjectiveBatch {
  private let items: [EncodedDataset.Item]
  private let model: TokenClassifier
  private let weight: Double

  init(_ items: [EncodedDataset.Item], _ model: TokenClassifier, _ purpose: BatchPurpose) {
    (self.items, self.model) = (items, model)
    let words = items.reduce(0) { $0 + $1.places.count }
    if case .training = purpose { weight = 1 / Double(max(1, words)) } else { weight = 1 }
  }

  var lengths: [Int] { items.map(\.ids.count) }

  func forward(_ shard: [Int], _ context: ForwardContext) -> [UnitResult] {
    let items = shard.map { self.items[$0] }, places = items.map(\.places)
    let tokens = PackedTokens(items.map { ($0.ids, $0.typeIDs) }, examples: shard)
    let logits = model.logits(tokens, at: places, context)
    let labels = items.compactMap { $0.words?.tags }
    let losses =
      labels.count == items.count
      ? context.tape.crossEntropy(logits, labels: Array(labels.joined()), weight: weight) : []
    let values = logits.values, columns = logits.columns
    var row = 0
    return places.map { places in
      let rows = row..<(row + places.count)
      row = rows.upperBound
      return UnitResult(
        loss: losses.isEmpty ? nil : losses[rows].reduce(0, +),
        scores: Array(values[(rows.lowerBound * columns)..<(rows.upperBound * columns)]))
    }
  }

  func result(_ units: [UnitResult]) -> BatchResult {
    let losses = units.compactMap(\.loss)
    return BatchResult(
      losses: losses.count == units.count ? losses : [], counts: items.map(\.places.count), logits: units.map(\.scores))
  }
}

extension EncodedDataset.Item {
  /// Where the words' first tokens are.
  fileprivate var places: [Int] { words?.places ?? [] }
}
