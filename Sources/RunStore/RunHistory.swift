internal import GRDB

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
    self.step = step
    self.module = module
    self.lowerLayer = lowerLayer
    self.upperLayer = upperLayer
    self.distance = distance
    self.groupsLeft = groupsLeft
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
    self.metrics = metrics
    self.merges = merges
    self.checkpoints = checkpoints
  }
}
