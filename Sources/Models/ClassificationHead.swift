import Checkpoints
import Kernels

/// One trained tensor of a classification head.
public struct HeadParameter: Sendable, Equatable {
  /// Name as in transformers: `classifier.out_proj.weight`.
  public let name: String
  /// Length of the first dimension.
  public let rows: Int
  /// Length of the second dimension; nil for a vector.
  public let columns: Int?

  /// Dimensions, as in files.
  public var shape: [Int] { columns.map { [rows, $0] } ?? [rows] }
  /// How many numbers.
  public var count: Int { rows * (columns ?? 1) }
  /// Weight decay acts on matrices, not on biases.
  public var decays: Bool { columns != nil }

  /// The head of a family for `labels` outputs: BERT's `BertForSequenceClassification`, RoBERTa's
  /// `RobertaClassificationHead`, the `score` of GPT-2 and LLaMA.
  public static func all(config: ModelConfig, labels: Int) -> [HeadParameter] {
    let hidden = config.hiddenSize
    switch config.family {
    case .roberta:
      return [
        HeadParameter(name: "classifier.dense.weight", rows: hidden, columns: hidden),
        HeadParameter(name: "classifier.dense.bias", rows: hidden, columns: nil),
        HeadParameter(name: "classifier.out_proj.weight", rows: labels, columns: hidden),
        HeadParameter(name: "classifier.out_proj.bias", rows: labels, columns: nil),
      ]
    case .gpt2, .llama: return [HeadParameter(name: "score.weight", rows: labels, columns: hidden)]
    case .bert:
      return [
        HeadParameter(name: "classifier.weight", rows: labels, columns: hidden),
        HeadParameter(name: "classifier.bias", rows: labels, columns: nil),
      ]
    }
  }

  /// The start of a fresh head: N(0, initializer_range²) for matrices as in transformers, 0 for biases.
  public func freshValues(philox: Philox, deviation: Double) -> [Float] {
    guard columns != nil else { return [Float](repeating: 0, count: count) }
    return philox.normal(count, deviation: deviation, stream: Philox.stream(named: "head." + name))
  }
}
