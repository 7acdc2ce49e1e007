import ArgumentParser
import Training

/// The command line: `swift-peft VERB …`.
@main
struct SwiftPEFT: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swift-peft",
    abstract: "Fine-tunes BERT, RoBERTa, GPT-2 and LLaMA with shared low-rank adapters on CPUs.",
    discussion: """
      EXAMPLE: swift-peft train configs/quickstart.json

      Results go to stdout, progress and log lines to stderr. Exit status: 0 done, 64 usage, 65 bad input data or \
      config, 66 an input is missing, 70 internal error, 73 an output cannot be created, 74 I/O error, 130 and 143 \
      stopped by SIGINT and SIGTERM.
      """,
    version: "swift-peft \(ProductVersion.current)",
    subcommands: [
      Train.self, Sweep.self, Evaluate.self, CompareParams.self, Predict.self, Generate.self, Score.self, Export.self,
      Merge.self, Tokenize.self, Download.self, Runs.self, Init.self, Schema.self, Doctor.self,
    ])

  /// Every error of every verb leaves through `Failure`.
  static func main() {
    StopSignals.install()
    ParentWatch.install()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch {
      Failure(error).exit()
    }
  }
}
