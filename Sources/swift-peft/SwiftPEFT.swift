import ArgumentParser
import Training

/// The command line: `swift-peft VERB …`.
@main
struct SwiftPEFT: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "swift-peft",
    abstract: "Fine-tune BERT, RoBERTa, GPT-2 and LLaMA on CPUs with shared low-rank adapters.",
    discussion: """
      EXAMPLE: swift-peft train configs/quickstart.json

      Results go to stdout; progress and log lines go to stderr. Exit status: 0 done, 64 wrong usage, 65 invalid data \
      or config, 66 missing input, 70 internal error, 73 output cannot be created, 74 I/O error, 130 stopped by SIGINT, \
      143 stopped by SIGTERM.
      """,
    version: "swift-peft \(ProductVersion.current)",
    subcommands: [
      Train.self, Sweep.self, Evaluate.self, CompareParams.self, Predict.self, Generate.self, Score.self, Export.self,
      Merge.self, Tokenize.self, Download.self, Runs.self, Init.self, Schema.self, Doctor.self,
    ])

  /// All errors of all verbs end in `Failure`.
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
