import ArgumentParser
import Configuration
import StrictJSON
import Training

/// `swift-peft export RUN_DIR --format peft|gguf --output DIR`.
struct Export: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write an adapter in the format of another program.",
    discussion: """
      EXAMPLE: swift-peft export runs/quickstart-aslora --format peft --output peft

      peft: a directory that PeftModel.from_pretrained loads, an ordinary LoRA for every map of every layer whatever the \
      run shared. gguf: for LLaMA models, a LoRA file that llama.cpp loads (--lora); --output may name the file.

      The directory is complete or absent. The base model's weights are not changed.
      """)

  @OptionGroup var source: AdapterSourceOptions

  @Option(help: ArgumentHelp("peft or gguf.", valueName: "format"))
  var format: ExportRun.Format

  @Option(help: ArgumentHelp("The directory to make.", valueName: "dir"))
  var output: String

  @Flag(help: "Replace an earlier export there.")
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
