import ArgumentParser
import Configuration
import Diagnostics
import Kernels
import StrictJSON
import Training

/// `swift-peft merge RUN_DIR --output DIR`.
struct Merge: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Merge an adapter into its base model.",
    discussion: """
      EXAMPLE: swift-peft merge runs/quickstart-aslora --output merged

      Writes a model directory with weights, tokenizer, config and head, for the Auto classes of transformers and for this \
      program. Each weight keeps its number type and is rounded only once. Memory use stays small for models of any \
      size. Finally, the logits of the merged model are compared with those of base model and adapter on a few fixed \
      inputs.

      The output is never left incomplete.
      """)

  @OptionGroup var source: AdapterSourceOptions

  @Option(help: ArgumentHelp("Create this directory.", valueName: "dir"))
  var output: String

  @Flag(help: "Replace an existing merge.")
  var overwrite = false

  @OptionGroup var report: ReportOptions

  func run() throws {
    _ = BLASLibrary.prepare()
    let model = try source.load(isQuiet: report.quiet)
    let fold = try FoldRun(model)
    try fold.check(output, overwrite: overwrite)
    var progress = Progress(isQuiet: report.quiet)
    fold.notices.forEach(progress.notice)
    StopSignals.deferStops()
    var done = 0
    try fold.write(to: output, overwrite: overwrite) {
      if let number = StopSignals.pending { throw ExitCode(128 + number) }
      done += 1
      progress.count(done, of: fold.tensorCount, "tensor")
    }
    progress.clear()
    let (difference, logits) = try Self.compare(fold, output)
    try Console.print(
      report.json
        ? JSONWriter.text(
          [
            "output": .string(output), "base_model": .string(model.modelName),
            "adapter": .string(model.adapterDirectory), "tensors": .integer(fold.tensorCount),
            "largest_logit_difference": difference.map { .number($0.largest) } ?? .null,
            "largest_logit": difference.map { .number($0.largestLogit) } ?? .null,
          ], pretty: false)
        : listing([
          ("base model", model.modelName), ("adapter", model.adapterDirectory),
          ("wrote", "\(output), \(grouped(fold.tensorCount)) tensors"), ("logits", logits),
        ]))
  }

  /// The difference in numbers and in words. A model that this program can merge but not run is no failure.
  private static func compare(_ fold: FoldRun, _ output: String) throws -> (FoldDifference?, text: String) {
    do {
      guard let difference = try fold.difference(at: output) else {
        return (nil, "not compared: the model has no head")
      }
      let largest = significant(difference.largest, 2), logit = significant(difference.largestLogit, 3)
      return (difference, "differ from base + adapter by at most \(largest) (largest logit: \(logit))")
    } catch let error as any UserFacingError {
      return (nil, "not compared: \(error)")
    }
  }
}
