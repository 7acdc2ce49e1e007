import ArgumentParser
import Checkpoints
import Configuration
import Foundation
import Training

/// What `export` and `merge` start from: a run, or a model with `--adapter`.
struct AdapterSourceOptions: ParsableArguments {
  @Argument(help: ArgumentHelp("A run's directory; with --adapter, a model or a run config.", valueName: "run-dir"))
  var source: String

  @Option(help: ArgumentHelp("A native or HF PEFT adapter directory, for the model.", valueName: "dir"))
  var adapter: String?

  @OptionGroup var override: OverrideOptions

  /// The adapter and its model, which is downloaded where it is one on the Hub.
  func load(isQuiet: Bool) throws -> AdaptedModel {
    let download = ModelDownload(isQuiet: isQuiet)
    let isDirectory = RunDirectory.isDirectory(source)
    let isRun = isDirectory && FileManager.default.fileExists(atPath: "\(source)/run_config.json")
    guard let adapter else {
      let run = try RunDirectory(source)
      let config = try RunConfig.load(path: run.configPath, overrides: override.overrides)
      try download.fetch(config.model)
      return try AdaptedModel(run: run, config: config)
    }
    if isRun { throw ValidationError("--adapter goes with a model; \(source) is a run, which has its own") }
    if source.hasSuffix(".json"), !isDirectory {
      let config = try RunConfig.load(path: source, overrides: override.overrides)
      try download.fetch(config.model)
      return try AdaptedModel(model: config.model, adapter: adapter, seed: config.training.seed)
    }
    guard override.overrides.isEmpty else {
      throw ValidationError("--set goes with a run config; \(source) is a model")
    }
    try download.fetch(source)
    return try AdaptedModel(model: source, adapter: adapter)
  }
}
