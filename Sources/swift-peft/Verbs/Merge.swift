import ArgumentParser
import Configuration
import Diagnostics
import Foundation
import Kernels
import StrictJSON
import Training

/// `swift-peft merge RUN_DIR --output DIR`, or `--format gguf --type TYPE --output FILE`.
struct Merge: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Merge an adapter into its base model.",
    discussion: """
      EXAMPLE: swift-peft merge runs/quickstart-aslora --output merged

      Writes a model directory with weights, tokenizer, config and head, for the Auto classes of transformers and for this \
      program. Each weight keeps its number type and is rounded only once. Memory use stays small for models of any \
      size. Finally, the logits of the merged model are compared with those of base model and adapter on a few fixed \
      inputs.

      With --format gguf --type f16, bf16 or q8_0, --output is one GGUF file of the merged model for llama.cpp. An adapter \
      that was trained on a GGUF file is not merged, which would quantise the base again: export it.

      The output is never left incomplete.
      """)

  @OptionGroup var source: AdapterSourceOptions

  @Option(help: ArgumentHelp("Create this directory, or this file for --format gguf.", valueName: "dir"))
  var output: String

  @Option(help: ArgumentHelp("What to write: hf, a model directory, or gguf, one file.", valueName: "format"))
  var format = Format.hf

  @Option(help: ArgumentHelp("With --format gguf: f32, f16, bf16 or q8_0.", valueName: "type"))
  var type: MergedType?

  @Flag(help: "Replace an existing merge.")
  var overwrite = false

  @OptionGroup var report: ReportOptions

  /// The layouts of a merged model.
  enum Format: String, CaseIterable, ExpressibleByArgument { case hf, gguf }

  /// The types of a merged GGUF file: those that lose little.
  enum MergedType: String, CaseIterable, ExpressibleByArgument {
    case f32, f16, bf16
    case q8 = "q8_0"

    var element: ElementType {
      switch self {
      case .f32: .float32
      case .f16: .float16
      case .bf16: .bfloat16
      case .q8: .q8_0
      }
    }
  }

  func validate() throws {
    guard (format == .gguf) == (type != nil) else { throw ValidationError("--format gguf and --type go together") }
  }

  func run() throws {
    _ = BLASLibrary.prepare()
    let model = try source.load(isQuiet: report.quiet)
    if let type { return try writeGGUF(model, type.element) }
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

  /// Folds in float32 beside the output, and quantises from there: each weight is rounded once.
  private func writeGGUF(_ model: AdaptedModel, _ type: ElementType) throws {
    let fold = try FoldRun(model, inFloat32: true)
    if !overwrite, FileManager.default.fileExists(atPath: output) { throw ExportError.fileExists(output) }
    let progress = Progress(isQuiet: report.quiet)
    fold.notices.forEach(progress.notice)
    let folded = output + ".merging-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folded) }
    StopSignals.deferStops()
    try fold.write(to: folded, overwrite: false) {
      if let number = StopSignals.pending { throw ExitCode(128 + number) }
    }
    let written = try GGUFExport(directory: folded, type: type, name: model.modelName)
      .write(to: output, overwrite: overwrite, report)
    try Console.print(
      report.json
        ? JSONWriter.text(
          [
            "output": .string(output), "base_model": .string(model.modelName),
            "adapter": .string(model.adapterDirectory), "tensors": GGUFReport.json(written),
          ], pretty: false)
        : listing([("base model", model.modelName), ("adapter", model.adapterDirectory)]) + "\n"
          + GGUFReport.text(written, output))
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
