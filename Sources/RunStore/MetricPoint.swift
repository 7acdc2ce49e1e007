internal import GRDB
import Metrics

/// One measured value of a run: a row of `metrics`.
public struct MetricPoint: Sendable, Equatable {
  /// The optimiser step after which it was measured.
  public var step: Int
  /// The same in epochs.
  public var epoch: Double
  /// The data it was measured on.
  public var split: Split
  /// The metric's usual name: `loss`, `accuracy`, …
  public var name: String
  /// The value. NaN is stored as NULL (SQLite has no NaN) and read back as NaN; infinities are stored as they are.
  public var value: Double

  /// A value and where it was measured.
  public init(step: Int, epoch: Double, split: Split, name: String, value: Double) {
    self.step = step
    self.epoch = epoch
    self.split = split
    self.name = name
    self.value = value
  }
}

extension [MetricValue] {
  /// The values as measured after one step.
  public func points(step: Int, epoch: Double, split: Split) -> [MetricPoint] {
    map { MetricPoint(step: step, epoch: epoch, split: split, name: $0.name, value: $0.value) }
  }
}

extension MetricPoint: TableRow {
  static let databaseTableName = "metrics"

  private enum CodingKeys: CodingKey { case step, epoch, split, name, value }

  /// Reads one row, or an object with the same keys.
  public init(from decoder: any Decoder) throws {
    let row = try decoder.container(keyedBy: CodingKeys.self)
    step = try row.decode(Int.self, forKey: .step)
    epoch = try row.decode(Double.self, forKey: .epoch)
    split = try row.decode(Split.self, forKey: .split)
    name = try row.decode(String.self, forKey: .name)
    value = try row.decodeIfPresent(Double.self, forKey: .value) ?? .nan
  }
}

extension Split: NamedValue {}
