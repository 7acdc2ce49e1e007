import Adapters
import Autograd
import Metrics
import Models
import Tasks

extension LanguageEngine {
  /// The log-likelihood of every choice of `items`, as their logits; the loss is that of the right answers' tokens.
  func evaluateChoices(_ items: [EncodedDataset.Item], state: TrainableState) -> BatchResult {
    let texts = items.enumerated().flatMap { index, item in ChoiceText.all(of: item, number: index) }
    let plan = ShardPlan(lengths: texts.map(\.ids.count))
    let adapters = state.adapters(sites: sites, scale: scale, dropout: 0)
    let found = pool.map(plan.shards.count) { index, workspace in
      let shard = plan.shards[index]
      let tape = Tape(workspace: workspace, parameters: state.values, precision: precision)
      let tokens = PackedTokens(shard.map { (texts[$0].ids, []) }, examples: shard)
      let states = model.decoder.states(
        tokens, onlyLast: false, ForwardContext(tape: tape, adapters: adapters, head: []))
      return likelihoods(shard.map { texts[$0] }, states, tape)
    }
    var scores = items.map { [Float](repeating: 0, count: $0.choices?.lengths.count ?? 0) }
    for (values, shard) in zip(found, plan.shards) {
      for (values, index) in zip(values, shard) {
        let text = texts[index]
        for (offset, value) in values.enumerated() { scores[text.item][text.firstChoice + offset] = Float(value) }
      }
    }
    return result(items, scores)
  }

  /// Of every text of a shard, the log-likelihood of each choice that it holds.
  private func likelihoods(_ texts: [ChoiceText], _ states: Tensor, _ tape: Tape) -> [[Double]] {
    let weights = [Float](repeating: 1, count: states.rows)
    var sums = texts.map { _ in [Double]() }
    // Choices that share a text are targets of its last row, one after the other.
    for pass in 0..<(texts.map(\.targets.count).max() ?? 0) {
      let targets = texts.flatMap { text in
        pass < text.targets.count ? text.targets[pass] : [Int32](repeating: -1, count: text.ids.count)
      }
      let losses = tape.languageModelLoss(states, head: model.head, targets: targets, weights: weights)
      var row = 0
      for (index, text) in texts.enumerated() {
        let rows = row..<(row + text.ids.count)
        row = rows.upperBound
        if pass < text.targets.count { sums[index].append(-losses[rows].reduce(0, +)) }
      }
    }
    return sums
  }

  private func result(_ items: [EncodedDataset.Item], _ scores: [[Float]]) -> BatchResult {
    let losses = zip(items, scores).compactMap { item, scores in item.answer.map { -Double(scores[$0]) } }
    let counts = items.map { item in
      guard let answer = item.answer, let choices = item.choices else { return 1 }
      guard let target = choices.sharedTarget else { return item.documents[answer].targetCount }
      return item.ids.count - choices.lengths.count + 1 - target
    }
    return BatchResult(losses: losses.count == items.count ? losses : [], counts: counts, logits: scores)
  }

  /// The share of questions whose right answer is the likeliest, by its log-likelihood and by that divided by its length,
  /// then the loss; none where answers are unknown.
  func choiceMetrics(_ items: [EncodedDataset.Item], _ result: BatchResult) -> [MetricValue] {
    let labels = items.compactMap(\.label)
    guard labels.count == items.count, !items.isEmpty else { return [] }
    let normalised = zip(items, result.logits).map { item, scores in
      zip(scores, item.choices?.lengths ?? []).map { $0 / Float(max(1, $1)) }
    }
    return Tasks.evaluate([.accuracy], scores: result.logits, labels: labels)
      + Tasks.evaluate([.accuracy], scores: normalised, labels: labels).map {
        MetricValue(name: "accuracy_norm", value: $0.value)
      } + [MetricValue(name: "loss", value: result.meanLoss)]
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
    func targets(_ ids: [Int32], from first: Int, last: Int32) -> [Int32] {
      ids.indices.map { $0 + 1 < first ? -1 : $0 + 1 < ids.count ? ids[$0 + 1] : last }
    }
    if let target = choices.sharedTarget {
      let shared = Array(item.ids.dropLast(choices.lengths.count))
      let all = item.ids.suffix(choices.lengths.count).map { targets(shared, from: target, last: $0) }
      return [ChoiceText(ids: shared, targets: all, item: number, firstChoice: 0)]
    }
    var start = 0
    return item.documents.enumerated().map { choice, part in
      let ids = Array(item.ids[start..<(start + part.length)])
      start += part.length
      return ChoiceText(
        ids: ids, targets: [targets(ids, from: part.firstTarget, last: -1)], item: number, firstChoice: choice)
    }
  }
}

extension EncodedDataset.Item {
  /// The number of the right answer, where it is known.
  fileprivate var answer: Int? { if case .classIndex(let index) = label { index } else { nil } }
}
