import ArgumentParser
import Configuration
import Kernels
import StrictJSON
import Training

/// `swift-peft merge RUN_DIR --output DIR`.
struct Merge: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fold an adapter into its model.",
    discussion: """
      EXAMPLE: swift-peft merge runs/quickstart-aslora --output merged

      Writes a model directory that transformers' Auto classes and this program load, with tokenizer, config and head. \
      Every weight keeps its number type and is rounded once; memory stays small whatever the model's size.

      The directory is complete or absent.
      """)

  @OptionGroup var source: AdapterSourceOptions

  @Option(help: ArgumentHelp("The directory to make.", valueName: "dir"))
  var output: String

  @Flag(help: "Replace an earlier merge there.")
  var overwrite = false

  @OptionGroup var report: ReportOptions

  func run() throws {
    _ = BLASLibrary.prepare()
    let model = try source.load(isQuiet: report.quiet)
    let merge = try MergeRun(model)
    try merge.check(output, overwrite: overwrite)
    var progress = Progress(isQuiet: report.quiet)
    merge.notices.forEach(progress.notice)
    StopSignals.deferStops()
    var done = 0
    try merge.write(to: output, overwrite: overwrite) {
      if let number = StopSignals.pending { throw ExitCode(128 + number) }
      done += 1
      progress.merged(done, of: merge.tensorCount)
    }
    progress.clear()
    try Console.print(
      report.json
        ? JSONWriter.text(
          [
            "output": .string(output), "base_model": .string(model.modelName),
            "adapter": .string(model.adapterDirectory), "tensors": .integer(merge.tensorCount),
          ], pretty: false)
        : listing([
          ("base model", model.modelName), ("adapter", model.adapterDirectory),
          ("wrote", "\(output), \(grouped(merge.tensorCount)) tensors"),
        ]))
  }
}
