import ArgumentParser
import Checkpoints
import Configuration
import Foundation
import Training

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
    let isDirectory = RunDirectory.isDirectory(source)
    let isRun = isDirectory && FileManager.default.fileExists(atPath: "\(source)/run_config.json")
    guard let adapter else {
      let run = try RunDirectory(source)
      let config = try RunConfig.load(path: run.configPath, overrides: override.overrides)
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
