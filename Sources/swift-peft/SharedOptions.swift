import ArgumentParser
import Configuration
import Kernels

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

  /// The number of workers.
  var count: Int { threads ?? ProcessorCount.available }

  func validate() throws {
    try check("--threads", threads, atLeast: 1)
  }
}

/// Throws if the value of `flag` is below `least`; a missing value is fine.
func check(_ flag: String, _ value: Int?, atLeast least: Int) throws {
  if let value, value < least { throw ValidationError("\(flag) must be at least \(least), not \(value)") }
}

/// How a verb reports its progress and its result.
struct ReportOptions: ParsableArguments {
  @Flag(help: "Print only errors on stderr.")
  var quiet = false

  @Flag(help: "Print the result as JSON.")
  var json = false
}

/// The flags that `train` and `eval` share.
struct RunOptions: ParsableArguments {
  @OptionGroup var override: OverrideOptions

  @Option(help: ArgumentHelp("Write results to this directory instead of the config's output_dir.", valueName: "dir"))
  var outputDir: String?

  @Option(help: ArgumentHelp("Use this database of runs instead of the config's.", valueName: "file"))
  var database: String?

  @OptionGroup var threads: ThreadOptions
  @OptionGroup var report: ReportOptions

  /// The config in `path`, overridden by these flags.
  func load(_ path: String) throws -> RunConfig {
    try RunConfig.load(path: path, overrides: override.overrides, outputDir: outputDir, database: database)
  }
}
