import ArgumentParser
import Configuration
import Foundation
import Kernels
import StrictJSON
import Training

/// `swift-peft train CONFIG`.
struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fine-tune a model as described by a run config.",
    discussion: """
      EXAMPLE: swift-peft train configs/quickstart.json --set training.seed=7 \\
        --output-dir runs/seed-7

      Writes the adapter, the resolved config and the scores to output_dir, and all measured values to the database. \
      SIGINT, SIGTERM, SIGHUP and SIGUSR1 stop the run after the current step, with a checkpoint and all files written; a \
      second SIGINT or SIGTERM stops it immediately. However the run ended, --resume continues it from its last checkpoint, with the same \
      result as an uninterrupted run.
      """)

  @Argument(help: "The run config (JSON).")
  var config: String

  @OptionGroup var options: ConfigOptions

  @Flag(help: "Replace the run in the output directory.")
  var overwrite = false

  @Flag(help: "Continue the run in the output directory, or start a new one if there is none.")
  var resume = false

  @Flag(help: "Check everything and print the plan, without training or writing anything.")
  var dryRun = false

  /// For the runs of a sweep over several machines; the config, and so the run's files, name the sweep's database.
  @Option(help: .hidden)
  var ownDatabase: String?

  func validate() throws {
    if resume, overwrite { throw ValidationError("--resume and --overwrite exclude each other") }
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
    let hasHead = try run.run.task().outputs != nil
    StopSignals.deferStops()
    defer { progress.clear() }
    let summary = try run.execute(ownDatabase: ownDatabase, shouldStop: { StopSignals.pending != nil }) { event in
      progress.show(event, totalSteps: totalSteps, firstStep: firstStep)
    }
    progress.clear()
    try Console.print(report.json ? json(summary, config) : text(summary, config, hasHead: hasHead))
    if let failure = summary.recordingFailure { throw failure }
    if summary.wasInterrupted, let number = StopSignals.pending { throw ExitCode(128 + number) }
  }

  private func text(_ summary: TrainingRun.Summary, _ config: RunConfig, hasHead: Bool) -> String {
    let steps = summary.step == 1 ? "1 step" : "\(grouped(summary.step)) steps"
    return ScoreText.table(summary.reports)
      + listing([
        ("run", "\(summary.runID) \(config.name), \(Self.status(summary)) after \(steps)"),
        ("adapter", "\(grouped(summary.parameters.adapter)) parameters, \(byteSize(4 * summary.parameters.adapter))"),
        (
          "trained",
          "\(grouped(summary.parameters.trainable)) parameters" + (hasHead ? ", including the head" : "")
        ),
        ("output", config.outputDir), ("database", ownDatabase ?? config.database),
      ])
  }

  private func json(_ summary: TrainingRun.Summary, _ config: RunConfig) -> String {
    JSONWriter.text(
      [
        "run_id": .integer(Int(summary.runID)), "name": .string(config.name), "status": .string(Self.status(summary)),
        "step": .integer(summary.step), "output_dir": .string(config.outputDir),
        "database": .string(ownDatabase ?? config.database), "adapter_parameters": .integer(summary.parameters.adapter),
        "trainable_parameters": .integer(summary.parameters.trainable), "results": ScoreText.json(summary.reports),
      ], pretty: false)
  }

  private static func status(_ summary: TrainingRun.Summary) -> String {
    summary.wasInterrupted ? "interrupted" : "completed"
  }
}
