import Autograd
import Metrics
import Models

/// What a model is trained for: how a batch goes through it, what its loss is, and what an evaluation reports.
///
/// `Classification`, `Regression`, `LanguageModelling` and `Choices` are objectives. One engine runs them all: it cuts a
/// batch into shards, runs `ObjectiveBatch.forward` for each on a worker, and gathers what they gave.
public protocol Objective: Sendable {
  /// The form in which the model is loaded.
  var modelUse: ModelUse { get }
  /// What an evaluation reports where labels are known, the main metric first.
  var metrics: [Metric] { get }
  /// A batch, ready to go through the model.
  func batch(_ items: [EncodedDataset.Item], _ model: ObjectiveModel, _ purpose: BatchPurpose) -> any ObjectiveBatch
  /// Whether `training.label_smoothing_factor` means something to it.
  var smoothsLabels: Bool { get }
  /// The objective for training on `items`, whose labels may decide on its loss. Throws where they do not allow it.
  func fitted(to items: [EncodedDataset.Item]) throws -> any Objective
  /// Notes for the user on its loss in training.
  var notes: [String] { get }
  /// What all `items` of a split and their `result` mean to the metrics; nil where labels are unknown.
  func predictions(_ items: [EncodedDataset.Item], _ result: BatchResult) -> Predictions?
  /// The metrics of a whole split; none where labels are unknown. The standard ones are those of `predictions`.
  func values(_ items: [EncodedDataset.Item], _ result: BatchResult) -> [MetricValue]
}

extension Objective {
  /// It means nothing.
  public var smoothsLabels: Bool { false }

  /// The same objective.
  public func fitted(to items: [EncodedDataset.Item]) throws -> any Objective { self }

  /// None.
  public var notes: [String] { [] }

  /// The predictions of items that all have labels.
  public func predictions(_ items: [EncodedDataset.Item], _ result: BatchResult) -> Predictions? {
    let labels = items.compactMap(\.label)
    guard labels.count == items.count else { return nil }
    return Predictions(
      scores: result.logits, labels: labels, meanLoss: result.meanLoss,
      choiceLengths: items.compactMap { $0.choices?.lengths })
  }

  /// The metrics of a whole split, computed from its predictions.
  public func values(_ items: [EncodedDataset.Item], _ result: BatchResult) -> [MetricValue] {
    items.isEmpty ? [] : predictions(items, result).map(metrics.values) ?? []
  }
}

/// The form in which an objective needs a model.
public enum ModelUse: Sendable, Equatable {
  /// One row of outputs for each sequence, from a trained head.
  case classifier(outputs: Int)
  /// A row of outputs for each of some tokens, from a trained head.
  case tokenClassifier(outputs: Int)
  /// The next token's logits at every token.
  case languageModel
}

/// A frozen model in one of these forms.
public enum ObjectiveModel: Sendable {
  case classifier(any SequenceClassifier)
  case tokens(TokenClassifier)
  case language(LanguageModel)

  /// The model as a classifier. Only for objectives that ask for one.
  public var classifier: any SequenceClassifier {
    guard case .classifier(let model) = self else { preconditionFailure("the objective needs a classifier") }
    return model
  }

  /// The model as a classifier of tokens. Only for objectives that ask for one.
  public var tokens: TokenClassifier {
    guard case .tokens(let model) = self else { preconditionFailure("the objective needs a classifier of tokens") }
    return model
  }

  /// The model as a language model. Only for objectives that ask for one.
  public var language: LanguageModel {
    guard case .language(let model) = self else { preconditionFailure("the objective needs a language model") }
    return model
  }
}

extension [Metric] {
  /// With the loss at the end.
  var endingWithLoss: [Metric] { filter { $0 != .loss } + [.loss] }
}

/// What a batch is run for.
public enum BatchPurpose: Sendable {
  /// With `labelSmoothing`, the share of each target that is spread over the classes or the vocabulary.
  case training(labelSmoothing: Double)
  case evaluation
}

/// A batch on its way through the model, in units that no shard cuts.
public protocol ObjectiveBatch: Sendable {
  /// The tokens of each unit.
  var lengths: [Int] { get }
  /// Runs the units of `shard` together, records the loss on the context's tape, and returns what each unit gave.
  func forward(_ shard: [Int], _ context: ForwardContext) -> [UnitResult]
  /// The results of the batch's items, from those of all units in order.
  func result(_ units: [UnitResult]) -> BatchResult
}

/// What one unit gave.
public struct UnitResult: Sendable {
  /// Its loss, summed over what it counts; nil where its label is unknown.
  public let loss: Double?
  /// Its scores, where the objective has some.
  public let scores: [Float]

  /// A loss and scores.
  public init(loss: Double?, scores: [Float] = []) { (self.loss, self.scores) = (loss, scores) }
}

/// What a batch gave.
public struct BatchResult: Sendable {
  /// Each item's loss, summed over what it counts; empty where a label is unknown.
  public private(set) var losses: [Double] = []
  /// What each item counts in the mean: 1 for an example, a text's predicted tokens for a language model.
  public private(set) var counts: [Int] = []
  /// Rows of scores in batch order; none from language models.
  public private(set) var logits: [[Float]] = []

  /// Results of the items of a batch.
  public init(losses: [Double] = [], counts: [Int] = [], logits: [[Float]] = []) {
    (self.losses, self.counts, self.logits) = (losses, counts, logits)
  }

  /// The mean over everything that counts.
  public var meanLoss: Double { losses.reduce(0, +) / Double(counts.reduce(0, +)) }

  /// Appends another batch's. Losses are known for all or for none.
  public mutating func append(_ other: BatchResult) {
    losses = losses.count == counts.count && other.losses.count == other.counts.count ? losses + other.losses : []
    counts += other.counts
    logits += other.logits
  }
}
