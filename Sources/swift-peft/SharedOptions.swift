import ArgumentParser
import Configuration
import Kernels

/// `--set`, for every verb that reads a run config.
struct OverrideOptions: ParsableArguments {
  @Option(
    name: .customLong("set"), parsing: .singleValue,
    help: ArgumentHelp(
      "Replace a value of the config; repeatable. The value is JSON, or else text.", valueName: "path.to.key=value"))
  var overrides: [String] = []
}

/// `--threads`, for every verb that computes.
struct ThreadOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Worker threads (default: all processors of this process).", valueName: "n"))
  var threads: Int?

  /// The number of workers.
  var count: Int { threads ?? ProcessorCount.available }

  func validate() throws {
    if let threads, threads < 1 { throw ValidationError("--threads must be at least 1, not \(threads)") }
  }
}

/// How a verb tells what it does and what came of it.
struct ReportOptions: ParsableArguments {
  @Flag(help: "Nothing on stderr but errors.")
  var quiet = false

  @Flag(help: "The result as JSON on stdout.")
  var json = false
}

/// The flags that `train` and `eval` share.
struct RunOptions: ParsableArguments {
  @OptionGroup var override: OverrideOptions

  @Option(help: ArgumentHelp("Where the results go, instead of the config's output_dir.", valueName: "dir"))
  var outputDir: String?

  @Option(help: ArgumentHelp("The database of runs, instead of the config's.", valueName: "file"))
  var database: String?

  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions

  /// The config in `path` with these flags on top.
  func load(_ path: String) throws -> RunConfig {
    try RunConfig.load(path: path, overrides: override.overrides, outputDir: outputDir, database: database)
  }
}
