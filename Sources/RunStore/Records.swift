/// What a run is before it begins.
public struct NewRun: Sendable, Equatable {
  /// The run's name; need not be unique.
  public var name: String
  /// The model directory or Hub id, as the config gives it.
  public var model: String
  /// `model_type` of the model's `config.json`.
  public var modelType: String
  /// The task's name.
  public var task: String
  /// The sharing strategy's name.
  public var strategy: String
  /// The rank.
  public var r: Int
  /// The scale's numerator.
  public var loraAlpha: Double
  /// The seed.
  public var seed: Int
  /// `float32` or `bfloat16`.
  public var precision: String
  /// Worker threads.
  public var threads: Int
  /// How many numbers there are.
  public var parameters: ParameterCounts
  /// The resolved config, as JSON.
  public var config: String
  /// The output directory.
  public var outputDir: String
  /// The program's version.
  public var version: String

  /// All of it.
  public init(
    name: String, model: String, modelType: String, task: String, strategy: String, r: Int, loraAlpha: Double,
    seed: Int, precision: String, threads: Int, parameters: ParameterCounts, config: String, outputDir: String,
    version: String
  ) {
    self.name = name
    self.model = model
    self.modelType = modelType
    self.task = task
    self.strategy = strategy
    self.r = r
    self.loraAlpha = loraAlpha
    self.seed = seed
    self.precision = precision
    self.threads = threads
    self.parameters = parameters
    self.config = config
    self.outputDir = outputDir
    self.version = version
  }
}

/// How many numbers a model has.
public struct ParameterCounts: Sendable, Equatable {
  /// Distinct numbers of the adapter, without the head.
  public var adapter: Int
  /// Distinct numbers that are trained: adapter and head.
  public var trainable: Int
  /// All.
  public var total: Int

  /// All three.
  public init(adapter: Int, trainable: Int, total: Int) {
    self.adapter = adapter
    self.trainable = trainable
    self.total = total
  }
}

/// How a run stands.
public enum RunStatus: String, Sendable, CaseIterable {
  case running, completed, failed, interrupted
}

/// A run as the database has it.
public struct Run: Sendable, Equatable {
  /// Its number.
  public let id: Int64
  /// How it stands. A run whose process is gone is `interrupted`, whatever its row says.
  public let status: RunStatus
  /// ISO 8601, UTC.
  public let startedAt: String
  /// ISO 8601, UTC; nil while running.
  public let finishedAt: String?
  /// What it began with; the parameter counts are those after merging once it is finished.
  public let details: NewRun
}

/// The part of the data that a metric is about.
public enum MetricSplit: String, Sendable, CaseIterable {
  case train, validation
  case validationMismatched = "validation_mismatched"
  case test
}

/// One measured value.
public struct MetricRecord: Sendable, Equatable {
  /// The optimiser step after which it was measured.
  public var step: Int
  /// The same in epochs.
  public var epoch: Double
  /// What it was measured on.
  public var split: MetricSplit
  /// The field's name for it: `loss`, `accuracy`, …
  public var name: String
  /// The value. NaN is kept as NULL (SQLite has no NaN) and read as NaN; infinities are kept as they are.
  public var value: Double

  /// All of it.
  public init(step: Int, epoch: Double, split: MetricSplit, name: String, value: Double) {
    self.step = step
    self.epoch = epoch
    self.split = split
    self.name = name
    self.value = value
  }
}

/// One event of ASLoRA: two groups of layers use one B from then on.
public struct MergeRecord: Sendable, Equatable {
  /// The optimiser step after which it happened.
  public var step: Int
  /// The module type.
  public var module: String
  /// The lower group's uppermost layer, or as the merger names it.
  public var lowerLayer: Int
  /// The upper group's lowest layer, or as the merger names it.
  public var upperLayer: Int
  /// How unlike the two were.
  public var distance: Double
  /// Groups of this module type after it.
  public var groupsLeft: Int

  /// All of it.
  public init(step: Int, module: String, lowerLayer: Int, upperLayer: Int, distance: Double, groupsLeft: Int) {
    self.step = step
    self.module = module
    self.lowerLayer = lowerLayer
    self.upperLayer = upperLayer
    self.distance = distance
    self.groupsLeft = groupsLeft
  }
}

/// A checkpoint on disk.
public struct CheckpointRecord: Sendable, Equatable {
  /// The optimiser step it was made after.
  public let step: Int
  /// Its directory.
  public let path: String
  /// ISO 8601, UTC.
  public let createdAt: String
}

/// Something to be recorded of a run.
public enum RunEntry: Sendable, Equatable {
  case metrics([MetricRecord])
  case merge(MergeRecord)
  /// A checkpoint that is complete on disk.
  case checkpoint(step: Int, path: String)
  /// A checkpoint that is no longer on disk.
  case checkpointRemoved(step: Int)
}
