import ArgumentParser
import Configuration
import Foundation
import Kernels
import StrictJSON
import Training

/// `swift-peft train CONFIG`.
struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fine-tune a model as a run config says.",
    discussion: """
      EXAMPLE: swift-peft train configs/quickstart.json --set training.seed=7 \\
        --output-dir runs/seed-7

      Writes the adapter, the resolved config and the scores into output_dir, and everything that was measured into \
      the database. SIGINT, SIGTERM and SIGHUP stop after the step at work, with a checkpoint and all files written; \
      a second one stops at once. However the run ended, --resume continues it from its last checkpoint, to the same \
      result as if it had never stopped.
      """)

  @Argument(help: "The run config (JSON).")
  var config: String

  @OptionGroup var options: RunOptions

  @Flag(help: "Replace the run that the output directory holds.")
  var overwrite = false

  @Flag(help: "Continue the run that the output directory holds; start afresh where there is none.")
  var resume = false

  @Flag(help: "Check everything, print the plan, and train and write nothing.")
  var dryRun = false

  func validate() throws {
    if resume, overwrite { throw ValidationError("--resume continues the run that --overwrite deletes: give one") }
  }

  func run() throws {
    let config = try options.load(config)
    let start: RunStart = resume ? .resume : overwrite ? .overwrite : .fresh
    let report = options.report
    try ModelDownload(isQuiet: report.quiet).fetch(config.model)
    var progress = Progress(isQuiet: report.quiet)
    let library = BLASLibrary.prepare()
    if dryRun {
      let plan = try DryRun(config, threads: options.threads.count, start: start)
      plan.notices.forEach(progress.notice)
      return try Console.print(report.json ? JSONWriter.text(plan.json, pretty: true) : plan.text)
    }

    var run = try TrainingRun(config, threads: options.threads.count, start: start)
    SlowBLAS.warn(library, progress)
    run.notices.forEach(progress.notice)
    let totalSteps = run.trainer.totalSteps, firstStep = run.firstStep
    StopSignals.deferStops()
    defer { progress.clear() }
    let summary = try run.execute(shouldStop: { StopSignals.pending != nil }) { event in
      progress.show(event, totalSteps: totalSteps, firstStep: firstStep)
    }
    progress.clear()
    try Console.print(report.json ? json(summary, config) : text(summary, config))
    if let failure = summary.recordingFailure { throw failure }
    if summary.wasInterrupted, let number = StopSignals.pending { throw ExitCode(128 + number) }
  }

  private func text(_ summary: TrainingRun.Summary, _ config: RunConfig) -> String {
    let steps = summary.step == 1 ? "1 step" : "\(grouped(summary.step)) steps"
    return ScoreText.table(summary.reports)
      + listing([
        ("run", "\(summary.runID) \(config.name), \(Self.status(summary)) after \(steps)"),
        ("adapter", "\(grouped(summary.adapterParameters)) parameters in \(byteSize(4 * summary.adapterParameters))"),
        ("trained", "\(grouped(summary.trainableParameters)) parameters with the head"),
        ("output", config.outputDir), ("database", config.database),
      ])
  }

  private func json(_ summary: TrainingRun.Summary, _ config: RunConfig) -> String {
    JSONWriter.text(
      [
        "run_id": .integer(Int(summary.runID)), "name": .string(config.name), "status": .string(Self.status(summary)),
        "step": .integer(summary.step), "output_dir": .string(config.outputDir),
        "database": .string(config.database), "adapter_parameters": .integer(summary.adapterParameters),
        "trainable_parameters": .integer(summary.trainableParameters), "results": ScoreText.json(summary.reports),
      ], pretty: false)
  }

  private static func status(_ summary: TrainingRun.Summary) -> String {
    summary.wasInterrupted ? "interrupted" : "completed"
  }
}
