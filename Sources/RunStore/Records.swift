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
    (self.step, self.epoch, self.split, self.name, self.value) = (step, epoch, split, name, value)
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

/// One ASLoRA merge, after which two groups of layers share one B: a row of `merges`.
public struct MergeRecord: Sendable, Equatable {
  /// The optimiser step after which it happened.
  public var step: Int
  /// The module type.
  public var module: String
  /// The layer that stands for the lower group.
  public var lowerLayer: Int
  /// The layer that stands for the upper group.
  public var upperLayer: Int
  /// The distance between the two B's.
  public var distance: Double
  /// Groups of this module type left after it.
  public var groupsLeft: Int

  /// A merge and its step.
  public init(step: Int, module: String, lowerLayer: Int, upperLayer: Int, distance: Double, groupsLeft: Int) {
    (self.step, self.module, self.lowerLayer, self.upperLayer) = (step, module, lowerLayer, upperLayer)
    (self.distance, self.groupsLeft) = (distance, groupsLeft)
  }
}

extension MergeRecord: TableRow {
  static let databaseTableName = "merges"
}

/// A checkpoint on disk: a row of `checkpoints`.
public struct CheckpointRecord: Sendable, Equatable {
  /// The optimiser step after which it was made.
  public let step: Int
  /// Its directory.
  public let path: String
  /// ISO 8601, UTC.
  public let createdAt: String
}

extension CheckpointRecord: TableRow {
  static let databaseTableName = "checkpoints"
}

/// One addition to a run's history.
public enum HistoryEntry: Sendable, Equatable {
  case metrics([MetricPoint])
  case merge(MergeRecord)
  /// A checkpoint that is complete on disk.
  case checkpoint(step: Int, path: String)
  /// A checkpoint that is no longer on disk.
  case checkpointRemoved(step: Int)
}

/// Everything a run has recorded so far, as its output directory has it: enough to write its rows again.
public struct RunHistory: Sendable, Equatable {
  /// All measured values, in order.
  public var metrics: [MetricPoint]
  /// All merges, in order.
  public var merges: [MergeRecord]
  /// Paths of the checkpoints on disk, by step.
  public var checkpoints: [Int: String]

  /// A history; empty by default.
  public init(metrics: [MetricPoint] = [], merges: [MergeRecord] = [], checkpoints: [Int: String] = [:]) {
    (self.metrics, self.merges, self.checkpoints) = (metrics, merges, checkpoints)
  }
}
