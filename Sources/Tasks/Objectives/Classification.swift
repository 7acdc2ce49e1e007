import Autograd
import Foundation
import Metrics
import Models

/// One of some classes for each text or pair: cross-entropy, averaged over the examples.
///
/// In training, classes may have weights, and targets may be smoothed: as in PyTorch's `CrossEntropyLoss`, whose mean
/// divides by the sum of the labels' weights. An evaluation reports the plain loss.
public struct Classification: Objective {
  /// The classes' names.
  public let names: [String]
  /// What an evaluation reports, the main metric first, the loss last.
  public let metrics: [Metric]
  /// How much each class counts in training; nil: all alike.
  public let weighting: ClassWeighting?

  /// Classification into `classes` classes; the loss is reported after `metrics`.
  public init(classes: Int = 2, metrics: [Metric] = [.accuracy], weighting: ClassWeighting? = nil) {
    self.init(names: (0..<classes).map(String.init), metrics: metrics, weighting: weighting)
  }

  /// Classification into classes with names.
  public init(names: [String], metrics: [Metric] = [.accuracy], weighting: ClassWeighting? = nil) {
    (self.names, self.metrics, self.weighting) = (names, metrics.endingWithLoss, weighting)
  }

  /// The classes.
  public var classes: Int { names.count }

  /// The form in which the model is loaded.
  public var modelUse: ModelUse { .classifier(outputs: classes) }

  /// Targets can be smoothed.
  public var smoothsLabels: Bool { true }

  /// A batch, ready to go through the model. Balanced weights are those of `fitted`; before it there are none.
  public func batch(
    _ items: [EncodedDataset.Item], _ model: ObjectiveModel, _ purpose: BatchPurpose
  ) -> any ObjectiveBatch {
    var smoothing = 0.0, weights: [Double]?
    if case .training(let labelSmoothing) = purpose {
      smoothing = labelSmoothing
      if case .weights(let values) = weighting { weights = values }
    }
    return SequenceBatch(
      items, model, purpose,
      itemWeights: weights.map { weights in
        items.map { item in if case .classIndex(let index) = item.label { weights[index] } else { 1 } }
      }
    ) { [smoothing, weights] tape, logits, labels, weight in
      let classes = labels.compactMap { if case .classIndex(let index) = $0 { index } else { nil } }
      guard classes.count == labels.count else { return [] }
      return tape.crossEntropy(
        logits, labels: classes, weight: weight, smoothing: smoothing, classWeights: weights)
    }
  }

  /// The same with the balanced weights of `items`, as `compute_class_weight` of scikit-learn computes them.
  public func fitted(to items: [EncodedDataset.Item]) throws -> any Objective {
    guard weighting == .balanced else { return self }
    var counts = [Int](repeating: 0, count: classes)
    for case .classIndex(let index)? in items.map(\.label) { counts[index] += 1 }
    if let place = counts.firstIndex(of: 0) {
      throw TaskError.badOption(
        key: "class_weights",
        problem:
          "\"balanced\" needs a training example of every class, and there is none of \"\(names[place].clipped)\"")
    }
    let total = Double(counts.reduce(0, +))
    return Classification(
      names: names, metrics: metrics, weighting: .weights(counts.map { total / (Double(classes) * Double($0)) }))
  }

  /// What class weights are.
  public var notes: [String] {
    guard case .weights(let weights) = weighting else { return [] }
    let shown = zip(names, weights).prefix(20).map { "\"\($0.clipped)\" \(String(format: "%.4g", $1))" }
    return [
      "class weights: \(shown.joined(separator: ", "))\(names.count > 20 ? ", …" : ""); the loss of evaluations has none"
    ]
  }
}

/// Any number of some labels for each text or pair: binary cross-entropy of every label's sigmoid, averaged over labels and
/// examples, as in transformers.
public struct MultiLabelClassification: Objective {
  /// The number of labels.
  public let labels: Int
  /// What an evaluation reports, the main metric first, the loss last.
  public let metrics: [Metric]

  /// A choice among `labels` labels; the loss is reported after `metrics`.
  public init(labels: Int, metrics: [Metric] = [.f1Micro, .f1Macro, .accuracy]) {
    (self.labels, self.metrics) = (labels, metrics.endingWithLoss)
  }

  /// The form in which the model is loaded.
  public var modelUse: ModelUse { .classifier(outputs: labels) }

  /// A batch, ready to go through the model.
  public func batch(
    _ items: [EncodedDataset.Item], _ model: ObjectiveModel, _ purpose: BatchPurpose
  ) -> any ObjectiveBatch {
    SequenceBatch(items, model, purpose) { tape, logits, labels, weight in
      let sets = labels.compactMap { if case .classSet(let set) = $0 { set } else { nil } }
      return sets.count == labels.count ? tape.binaryCrossEntropy(logits, labels: sets, weight: weight) : []
    }
  }
}

/// One number for each text or pair: the squared error, averaged over the examples.
public struct Regression: Objective {
  /// What an evaluation reports, the main metric first, the loss last.
  public let metrics: [Metric]

  /// A regression; the loss is reported after `metrics`.
  public init(metrics: [Metric] = [.pearson, .spearman]) { self.metrics = metrics.endingWithLoss }

  /// The form in which the model is loaded.
  public var modelUse: ModelUse { .classifier(outputs: 1) }

  /// A batch, ready to go through the model.
  public func batch(
    _ items: [EncodedDataset.Item], _ model: ObjectiveModel, _ purpose: BatchPurpose
  ) -> any ObjectiveBatch {
    SequenceBatch(items, model, purpose) { tape, outputs, labels, weight in
      let scores = labels.compactMap { if case .score(let score) = $0 { score } else { nil } }
      return scores.count == labels.count ? tape.squaredError(outputs, targets: scores, weight: weight) : []
    }
  }
}

/// Texts or pairs, each with one row of outputs and a label.
struct SequenceBatch: ObjectiveBatch {
  /// Records the loss of rows of outputs, each times `weight`, and returns the rows' losses; none where a label is missing.
  typealias Loss = @Sendable (_ tape: Tape, _ outputs: Tensor, _ labels: [Label?], _ weight: Double) -> [Double]

  private let items: [EncodedDataset.Item]
  private let model: any SequenceClassifier
  private let weight: Double
  /// What makes the plain mean of the losses the weighted one.
  private let lossScale: Double
  private let loss: Loss

  /// `itemWeights` are those in the losses of training, by whose sum the mean divides; nil: 1 for every item.
  init(
    _ items: [EncodedDataset.Item], _ model: ObjectiveModel, _ purpose: BatchPurpose, itemWeights: [Double]? = nil,
    loss: @escaping Loss
  ) {
    (self.items, self.model, self.loss) = (items, model.classifier, loss)
    let sum = itemWeights?.reduce(0, +) ?? Double(items.count)
    if case .training = purpose { weight = 1 / sum } else { weight = 1 }
    lossScale = itemWeights == nil ? 1 : Double(items.count) / sum
  }

  var lengths: [Int] { items.map(\.ids.count) }

  func forward(_ shard: [Int], _ context: ForwardContext) -> [UnitResult] {
    let tokens = PackedTokens(shard.map { (items[$0].ids, items[$0].typeIDs) }, examples: shard)
    let logits = model.logits(tokens, context)
    let losses = loss(context.tape, logits, shard.map { items[$0].label }, weight)
    let values = logits.values, columns = logits.columns
    return shard.indices.map { row in
      UnitResult(
        loss: losses.count == shard.count ? losses[row] * lossScale : nil,
        scores: Array(values[(row * columns)..<((row + 1) * columns)]))
    }
  }

  func result(_ units: [UnitResult]) -> BatchResult {
    let losses = units.compactMap(\.loss)
    return BatchResult(
      losses: losses.count == units.count ? losses : [], counts: units.map { _ in 1 }, logits: units.map(\.scores))
  }
}
