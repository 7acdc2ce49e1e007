internal import GRDB

/// What a run is: everything known before it begins.
public struct RunDetails: Sendable, Equatable {
  /// The run's name; need not be unique.
  public var name: String
  /// The model directory or Hub id, as in the config.
  public var model: String
  /// `model_type` of the model's `config.json`.
  public var modelType: String
  /// The task's name.
  public var task: String
  /// The sharing strategy's name.
  public var strategy: String
  /// The rank.
  public var r: Int
  /// The numerator of the adapter's scale.
  public var loraAlpha: Double
  /// The seed.
  public var seed: Int
  /// `float32` or `bfloat16`.
  public var precision: String
  /// Worker threads.
  public var threads: Int
  /// Distinct numbers of the adapter, without the head.
  public var adapterParameters: Int
  /// Distinct numbers that are trained: adapter and head.
  public var trainableParameters: Int
  /// All numbers: model, adapter and head.
  public var totalParameters: Int
  /// The resolved config, as JSON.
  public var config: String
  /// The output directory.
  public var outputDir: String
  /// The program's version.
  public var version: String

  /// The details of a run.
  public init(
    name: String, model: String, modelType: String, task: String, strategy: String, r: Int, loraAlpha: Double,
    seed: Int, precision: String, threads: Int, parameters: ParameterCounts, config: String, outputDir: String,
    version: String
  ) {
    (self.name, self.model, self.modelType, self.task, self.strategy) = (name, model, modelType, task, strategy)
    (self.r, self.loraAlpha, self.seed, self.precision, self.threads) = (r, loraAlpha, seed, precision, threads)
    (adapterParameters, trainableParameters) = (parameters.adapter, parameters.trainable)
    totalParameters = parameters.total
    (self.config, self.outputDir, self.version) = (config, outputDir, version)
  }

  /// The three parameter counts.
  public var parameters: ParameterCounts {
    ParameterCounts(adapter: adapterParameters, trainable: trainableParameters, total: totalParameters)
  }
}

extension RunDetails: TableRow {
  static let databaseTableName = "runs"
}

/// Parameter counts of an adapted model.
public struct ParameterCounts: Sendable, Equatable {
  /// Distinct numbers of the adapter, without the head.
  public var adapter: Int
  /// Distinct numbers that are trained: adapter and head.
  public var trainable: Int
  /// All numbers: model, adapter and head.
  public var total: Int

  /// The three counts.
  public init(adapter: Int, trainable: Int, total: Int) {
    (self.adapter, self.trainable, self.total) = (adapter, trainable, total)
  }
}

/// The state of a run.
public enum RunStatus: String, Sendable, CaseIterable {
  case running, completed, failed, interrupted
}

extension RunStatus: NamedValue {}

/// A run as the database has it: a row of `runs`.
public struct Run: Sendable, Equatable {
  /// Its number.
  public let id: Int64
  /// Its state. A run whose process is gone is `interrupted`, whatever its row says.
  public internal(set) var status: RunStatus
  /// ISO 8601, UTC.
  public let startedAt: String
  /// ISO 8601, UTC; nil while running.
  public let finishedAt: String?
  /// Its details; once the run is finished, the parameter counts are those after merging.
  public let details: RunDetails
}

extension Run: ReadableRow {
  static let databaseTableName = RunDetails.databaseTableName

  private enum CodingKeys: CodingKey { case id, status, startedAt, finishedAt }

  /// Reads one row: its own columns, and those of its details.
  public init(from decoder: any Decoder) throws {
    let row = try decoder.container(keyedBy: CodingKeys.self)
    id = try row.decode(Int64.self, forKey: .id)
    status = try row.decode(RunStatus.self, forKey: .status)
    startedAt = try row.decode(String.self, forKey: .startedAt)
    finishedAt = try row.decodeIfPresent(String.self, forKey: .finishedAt)
    details = try RunDetails(from: decoder)
  }
}
