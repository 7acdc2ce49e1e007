import Autograd
import Metrics
import Models

/// Questions with choices: trained on the right answers' tokens, and scored by the log-likelihood of every choice.
public struct Choices: Objective {
  /// What an evaluation reports, the main metric first, the loss last.
  public let metrics: [Metric]
  private let training = LanguageModelling()

  /// An objective that reports accuracy, `accuracy_norm` and loss.
  public init(metrics: [Metric] = [.accuracy, .accuracyNorm]) { self.metrics = metrics.endingWithLoss }

  /// The form in which the model is loaded.
  public var modelUse: ModelUse { .languageModel }

  /// Right answers can be smoothed.
  public var smoothsLabels: Bool { true }

  /// A batch, ready to go through the model.
  public func batch(
    _ items: [EncodedDataset.Item], _ model: ObjectiveModel, _ purpose: BatchPurpose
  ) -> any ObjectiveBatch {
    items.contains { $0.choices != nil }
      ? ChoiceBatch(items, model.language) : training.batch(items, model, purpose)
  }

  /// What was scored as texts to learn has perplexity and loss.
  public func values(_ items: [EncodedDataset.Item], _ result: BatchResult) -> [MetricValue] {
    guard !items.isEmpty else { return [] }
    if !items.contains(where: { $0.choices != nil }) { return training.values(items, result) }
    return predictions(items, result).map(metrics.values) ?? []
  }
}

private struct ChoiceBatch: ObjectiveBatch {
  private let items: [EncodedDataset.Item]
  private let texts: [ChoiceText]
  private let model: LanguageModel

  init(_ items: [EncodedDataset.Item], _ model: LanguageModel) {
    (self.items, self.model) = (items, model)
    texts = items.enumerated().flatMap { index, item in ChoiceText.all(of: item, number: index) }
  }

  var lengths: [Int] { texts.map(\.ids.count) }

  /// Of every text of a shard, the log-likelihood of each choice that it holds.
  func forward(_ shard: [Int], _ context: ForwardContext) -> [UnitResult] {
    let texts = shard.map { self.texts[$0] }
    let states = model.decoder.states(
      PackedTokens(texts.map { ($0.ids, []) }, examples: shard), onlyLast: false, context)
    let weights = [Float](repeating: 1, count: states.rows)
    var scores = texts.map { _ in [Float]() }
    // Choices that share a text are targets of its last row, one after the other.
    for pass in 0..<(texts.map(\.targets.count).max() ?? 0) {
      let targets = texts.flatMap { text in
        pass < text.targets.count ? text.targets[pass] : [Int32](repeating: -1, count: text.ids.count)
      }
      let losses = model.losses(states, targets: targets, weights: weights, context.tape)
      var row = 0
      for (index, text) in texts.enumerated() {
        let rows = row..<(row + text.ids.count)
        row = rows.upperBound
        if pass < text.targets.count { scores[index].append(Float(-losses[rows].reduce(0, +))) }
      }
    }
    return scores.map { UnitResult(loss: nil, scores: $0) }
  }

  /// The loss is that of the right answers' tokens.
  func result(_ units: [UnitResult]) -> BatchResult {
    var scores = items.map { [Float](repeating: 0, count: $0.choices?.lengths.count ?? 0) }
    for (unit, text) in zip(units, texts) {
      for (offset, score) in unit.scores.enumerated() { scores[text.item][text.firstChoice + offset] = score }
    }
    let losses = zip(items, scores).compactMap { item, scores in item.answer.map { -Double(scores[$0]) } }
    let counts = items.map { item in
      guard let answer = item.answer, let choices = item.choices else { return 1 }
      guard let target = choices.sharedTarget else { return item.documents[answer].targetCount }
      return item.ids.count - choices.lengths.count + 1 - target
    }
    return BatchResult(losses: losses.count == items.count ? losses : [], counts: counts, logits: scores)
  }
}

/// A text that holds one choice of a question behind its prompt, or what all of them share.
private struct ChoiceText: Sendable {
  let ids: [Int32]
  /// For each choice, every row's target, or −1.
  let targets: [[Int32]]
  /// The question's place in the batch.
  let item: Int
  /// The choice that `targets` begin with.
  let firstChoice: Int

  static func all(of item: EncodedDataset.Item, number: Int) -> [ChoiceText] {
    guard let choices = item.choices else { return [] }
    guard let target = choices.sharedTarget else {
      return item.documentIDs.enumerated().map { choice, part in
        ChoiceText(
          ids: part.ids, targets: [part.document.nextTokens(part.ids)], item: number, firstChoice: choice)
      }
    }
    let shared = Array(item.ids.dropLast(choices.lengths.count))
    let all = item.ids.suffix(choices.lengths.count).map { last in
      shared.indices.map { $0 + 1 < target ? -1 : $0 + 1 < shared.count ? shared[$0 + 1] : last }
    }
    return [ChoiceText(ids: shared, targets: all, item: number, firstChoice: 0)]
  }
}

extension EncodedDataset.Item {
  fileprivate var answer: Int? { if case .classIndex(let index) = label { index } else { nil } }
}
