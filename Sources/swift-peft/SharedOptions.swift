import ArgumentParser
import Checkpoints
import Cluster
import Configuration
import Diagnostics
import Foundation
import Hub
import Kernels
import Synchronization
import Tasks
import Training

/// `--set`, for every verb that reads a run config.
struct OverrideOptions: ParsableArguments {
  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: ArgumentHelp(
      "Override a config value; repeatable. The value is JSON, or plain text if it is not JSON.",
      valueName: "path.to.key=value"))
  var overrides: [String] = []
}

/// `--threads`, for every verb that computes.
struct ThreadOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Worker threads (default: all available processors).", valueName: "n"))
  var threads: Int?

  var count: Int { threads ?? ProcessorCount.available }

  /// The number on this rank, which shares its host's processors with others.
  func count(on cluster: Cluster) -> Int { threads ?? cluster.threads }

  func validate() throws {
    try check("--threads", threads, atLeast: 1)
  }
}

/// Throws if the value of `flag` is below `least`; a missing value is fine.
func check(_ flag: String, _ value: Int?, atLeast least: Int) throws {
  if let value, value < least { throw ValidationError("\(flag) must be at least \(least), not \(value)") }
}

/// Formats of data files by their names, for flags.
extension FileFormat: ExpressibleByArgument {}

/// How a verb reports its progress and its result.
struct ReportOptions: ParsableArguments {
  @Flag(help: "Print only errors on stderr.")
  var quiet = false

  @Flag(help: "Print the result as JSON.")
  var json = false

  /// The same on the rank that speaks for all; the others are quiet.
  func on(_ cluster: Cluster) -> ReportOptions {
    var options = self
    if !cluster.leads { options.quiet = true }
    return options
  }
}

/// The flags that `train` and `eval` share.
struct ConfigOptions: ParsableArguments {
  @OptionGroup var override: OverrideOptions

  @Option(help: ArgumentHelp("Write results to this directory instead of the config's output_dir.", valueName: "dir"))
  var outputDir: String?

  @Option(help: ArgumentHelp("Use this database of runs instead of the config's.", valueName: "file"))
  var database: String?

  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions

  /// The config of a run, overridden by these flags.
  func load(_ run: RunDirectory) throws -> RunConfig {
    try run.config(overrides: override.overrides, outputDir: outputDir, database: database)
  }

  /// The config in `path`, overridden by these flags.
  func load(_ path: String) throws -> RunConfig {
    try RunConfig.load(path: path, overrides: override.overrides, outputDir: outputDir, database: database)
  }
}

/// Downloads the models that verbs need, with a progress bar for each file.
struct ModelDownload {
  let isQuiet: Bool

  /// Makes sure that `model` is in the cache if it is a Hub name; does nothing for a path.
  @discardableResult
  func fetch(_ model: String, _ files: ModelFiles = .all) throws -> Hub.Snapshot? {
    let progress = Mutex(Progress(isQuiet: isQuiet))
    defer { progress.withLock { $0.clear() } }
    return try Hub().fetch(model, files: files) { event in
      progress.withLock { progress in
        switch event {
        case .progress(let file, let bytes, let total): progress.downloaded(bytes, of: total, file: file)
        case .notice(let text): progress.notice(text)
        }
      }
    }
  }
}

extension ModelDownload {
  /// The same on every rank: the first of each host downloads.
  func fetch(_ model: String, on cluster: Cluster) throws {
    // What is there needs no patience.
    if model.isDirectory { return try fetchInTurns(model, cluster) }
    try cluster.patiently { try fetchInTurns(model, cluster) }
  }

  private func fetchInTurns(_ model: String, _ cluster: Cluster) throws {
    try cluster.together { if cluster.hostRank == 0 { try fetch(model) } }
    try cluster.together { if cluster.hostRank != 0 { try fetch(model) } }
  }
}

/// The input of `export` and `merge`: a run, or a model with `--adapter`.
struct AdapterSourceOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("A run directory; with --adapter, a model or a run config.", valueName: "run-dir"))
  var source: String

  @Option(help: ArgumentHelp("Apply this native or HF PEFT adapter directory to the model.", valueName: "dir"))
  var adapter: String?

  @OptionGroup var override: OverrideOptions

  /// The adapter and its model, which is downloaded if it is on the Hub.
  func load(isQuiet: Bool) throws -> AdaptedModel {
    let download = ModelDownload(isQuiet: isQuiet)
    let isDirectory = source.isDirectory
    let isRun = isDirectory && FileManager.default.fileExists(atPath: "\(source)/run_config.json")
    guard let adapter else {
      let run = try RunDirectory(source)
      let config = try run.config(overrides: override.overrides)
      try download.fetch(config.model)
      return try AdaptedModel(run: run, config: config)
    }
    if isRun { throw ValidationError("--adapter needs a model; \(source) is a run and has its own adapter") }
    if source.hasSuffix(".json"), !isDirectory {
      let config = try RunConfig.load(path: source, overrides: override.overrides)
      try download.fetch(config.model)
      return try AdaptedModel(model: config.model, adapter: adapter, seed: config.training.seed)
    }
    guard override.overrides.isEmpty else {
      throw ValidationError("--set needs a run config; \(source) is a model")
    }
    try download.fetch(source)
    return try AdaptedModel(model: source, adapter: adapter)
  }
}
