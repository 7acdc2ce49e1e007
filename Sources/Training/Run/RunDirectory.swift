import Adapters
import Configuration
import Foundation
import Metrics
import RunStore
import StrictJSON
import Tasks

/// A directory that `train` wrote, or one of its checkpoints, to be scored and predicted with.
public struct RunDirectory: Sendable {
  /// Where it is.
  public let path: String
  /// The adapter's directory: the run's own or, while it is not finished, its newest whole checkpoint.
  public let adapterPath: String

  /// Throws if there is no run in `path`. `catalog` is that of the run's config.
  public init(_ path: String, catalog: Catalog = .standard) throws {
    self.path = path
    let missing = ["run_config.json", AdapterFile.configName, AdapterFile.tensorsName].first {
      !FileManager.default.fileExists(atPath: "\(path)/\($0)")
    }
    guard let missing else {
      adapterPath = path
      return
    }
    guard missing != "run_config.json", let newest = try CheckpointFolder(output: path, catalog: catalog).newest()
    else {
      throw RunError.notARun(directory: path, missing: missing)
    }
    adapterPath = newest.checkpoint.path
  }

  /// The run in `path` with the adapter that another rank chose.
  init(path: String, adapterPath: String) { (self.path, self.adapterPath) = (path, adapterPath) }

  /// Notes for the user: that the adapter is a checkpoint's.
  public var notices: [String] {
    adapterPath == path ? [] : ["\(path): the run is not finished; using its newest checkpoint \(adapterPath)"]
  }

  /// Whether `path` is a run's directory, finished or not.
  public static func isRun(_ path: String) -> Bool { FileManager.default.fileExists(atPath: "\(path)/run_config.json") }

  /// The template that the run in `path` put its prompts into; nil where it had none, or none that can be read.
  public static func promptTemplate(of path: String) -> String? {
    guard let task = try? JSONField(contentsOf: "\(path)/run_config.json").node["task"],
      task["name"]?.string == Task.instruct.name
    else { return nil }
    return task["chat_template"]?.string ?? task["prompt_template"]?.string ?? ChatTemplate.Own.alpaca.rawValue
  }

  /// The resolved config that the run was trained with.
  public var configPath: String { "\(path)/run_config.json" }

  /// That config with the overrides of a command line. Throws if its model is a relative path that leads nowhere from here.
  public func config(
    overrides: [String] = [], outputDir: String? = nil, database: String? = nil, catalog: Catalog = .standard
  ) throws -> RunConfig {
    let config = try RunConfig.load(
      path: configPath, overrides: overrides, outputDir: outputDir, database: database, catalog: catalog)
    let model = config.model
    // "a/b" may also be a name on the Hub; then the adapter names the copy in the cache.
    let adapter = try JSONField(contentsOf: "\(adapterPath)/\(AdapterFile.configName)")
    if !model.hasPrefix("/"), !FileManager.default.fileExists(atPath: model),
      try adapter.optional("base_model_name_or_path")?.node.string == model
    {
      throw RunError.modelElsewhere(run: path, model: model)
    }
    return config
  }

  /// Adds scores of this run's adapter to the latest row of its directory in `database`. If there is none, nothing is
  /// written, and the reason is returned.
  public func record(_ reports: [EvaluationReport], database: String, writtenAs outputDir: String) throws -> String? {
    guard FileManager.default.fileExists(atPath: database) else {
      return "scores not recorded in the database: \(database) does not exist"
    }
    let known = try RunStore.openExisting(path: database)
    let names = Self.isSame(path, outputDir) ? [outputDir, path] : [path]
    let runs = try names.flatMap { try known.runs(RunFilter(outputDir: $0)) }
    guard let run = runs.max(by: { $0.id < $1.id }) else {
      return "scores not recorded in the database: \(database) has no run for \(path)"
    }
    let before = try known.metrics(run: run.id)
    let store = try RunStore(path: database)
    for report in reports {
      let epoch = before.last { $0.step == report.step }?.epoch ?? 0
      try store.record(
        run: run.id, metrics: report.metrics.points(step: report.step, epoch: epoch, split: report.split))
    }
    return nil
  }

  /// Whether two paths lead to the same directory.
  public static func isSame(_ one: String, _ other: String) -> Bool {
    func real(_ path: String) -> String { URL(fileURLWithPath: path).resolvingSymlinksInPath().path }
    return real(one) == real(other)
  }
}
