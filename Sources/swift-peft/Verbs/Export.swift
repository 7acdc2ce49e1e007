import ArgumentParser
import Configuration
import StrictJSON
import Training

/// `swift-peft export RUN_DIR --format peft|peft-lora|gguf --output DIR`.
struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Convert an adapter to another program's format.",
    discussion: """
      EXAMPLE: swift-peft export runs/quickstart-aslora --format peft --output peft

      peft: a directory for PeftModel.from_pretrained. DoRA is written as such, and VeRA, GraLoRA, MiSS and VB-LoRA in \
      PEFT's own form where that can hold the adapter; a note says so, or why not. All else becomes a LoRA of the same \
      product, with an A and a B for each adapted matrix of each layer, whatever the run shared. peft-lora: always that \
      LoRA. gguf: for LLaMA models, a LoRA file for llama.cpp (--lora); --output may also name a file.

      The output is never left incomplete. The base model's weights are not changed.
      """)

  @OptionGroup var source: AdapterSourceOptions

  @Option(help: ArgumentHelp("Output format.", valueName: "format"))
  var format: ExportRun.Format

  @Option(help: ArgumentHelp("Create this directory.", valueName: "dir"))
  var output: String

  @Flag(help: "Replace an existing export.")
  var overwrite = false

  @OptionGroup var report: ReportOptions

  func run() throws {
    let model = try source.load(isQuiet: report.quiet)
    let export = try ExportRun(model, format: format)
    let progress = Progress(isQuiet: report.quiet)
    export.notices.forEach(progress.notice)
    let files = try export.write(to: output, overwrite: overwrite)
    try Console.print(
      report.json
        ? JSONWriter.text(
          [
            "output": .string(output), "format": .string(format.rawValue), "base_model": .string(model.modelName),
            "files": .strings(files),
          ], pretty: false)
        : listing([("base model", model.modelName), ("format", format.rawValue)] + files.map { ("wrote", $0) }))
  }
}

extension ExportRun.Format: ExpressibleByArgument {}
