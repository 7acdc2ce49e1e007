import Kernels

/// One trained tensor of a classification head.
public struct HeadParameter: Sendable, Equatable {
  /// Name as in transformers: `classifier.out_proj.weight`.
  public let name: String
  /// Length of the first dimension.
  public let rows: Int
  /// Length of the second dimension; nil for a vector.
  public let columns: Int?
  /// Whether it is the weight with one row for each output.
  public let isOutput: Bool

  /// A tensor of a head.
  public init(name: String, rows: Int, columns: Int?, isOutput: Bool = false) {
    (self.name, self.rows, self.columns, self.isOutput) = (name, rows, columns, isOutput)
  }

  /// A linear layer: `name.weight` [outputs, inputs] and `name.bias`.
  static func linear(_ name: String, _ inputs: Int, _ outputs: Int, isOutput: Bool = false) -> [HeadParameter] {
    [
      HeadParameter(name: "\(name).weight", rows: outputs, columns: inputs, isOutput: isOutput),
      HeadParameter(name: "\(name).bias", rows: outputs, columns: nil),
    ]
  }

  /// The head of a config's family for `labels` outputs.
  public static func all(config: ModelConfig, labels: Int) -> [HeadParameter] {
    config.architecture.head(config, labels)
  }

  /// Dimensions, as in files.
  public var shape: [Int] { columns.map { [rows, $0] } ?? [rows] }
  /// How many numbers.
  public var count: Int { rows * (columns ?? 1) }
  /// Weight decay acts on matrices, not on biases.
  public var decays: Bool { columns != nil }

  /// The start of a fresh head: N(0, initializer_range²) for matrices as in transformers, 0 for biases.
  public func freshValues(philox: Philox, deviation: Double) -> [Float] {
    guard columns != nil else { return [Float](repeating: 0, count: count) }
    return philox.normal(count, deviation: deviation, stream: Philox.stream(named: "head." + name))
  }
}
