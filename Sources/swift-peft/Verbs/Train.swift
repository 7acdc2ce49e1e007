import ArgumentParser
import Cluster
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

  @Flag(help: "Under mpirun: also train where ranks have other processors or libraries, and so other bits.")
  var mixedMachines = false

  @OptionGroup var planned: ClusterPlanOptions

  /// For the runs of a sweep over several machines; the config, and so the run's files, name the sweep's database.
  @Option(help: .hidden)
  var ownDatabase: String?

  func validate() throws {
    if resume, overwrite { throw ValidationError("--resume and --overwrite exclude each other") }
    try planned.validate(isDryRun: dryRun)
  }

  /// The verb with the flags that all ranks must have.
  private var command: String {
    "train" + (dryRun ? " --dry-run" : "") + (resume ? " --resume" : "") + (overwrite ? " --overwrite" : "")
  }

  func run() throws {
    try withCluster(command) { try run($0) }
  }

  private func run(_ cluster: Cluster) throws {
    let config = try cluster.together { try options.load(self.config) }
    let start: RunStart = resume ? .resume : overwrite ? .overwrite : .fresh
    let report = options.report.on(cluster), threads = options.threads.count(on: cluster)
    try ModelDownload(isQuiet: report.quiet).fetch(config.model, on: cluster)
    var progress = Progress(isQuiet: report.quiet)
    let library = BLASLibrary.prepare()
    cluster.notices.forEach(progress.notice)
    if dryRun {
      // Only rank 0 plans.
      guard cluster.leads else { return }
      let plan = try DryRun(config, threads: threads, start: start, shape: planned.shape(on: cluster))
      plan.notices.forEach(progress.notice)
      return try Console.print(report.json ? JSONWriter.text(plan.json, pretty: true) : plan.text)
    }

    var run = try TrainingRun(
      config, threads: threads, start: start, cluster: cluster, allowsMixedMachines: mixedMachines)
    SlowBLAS.warn(library, progress, isQuiet: options.report.quiet, on: cluster)
    run.notices.forEach(progress.notice)
    if !cluster.isAlone { progress.line(cluster.summary(threads: threads)) }
    let totalSteps = run.trainer.totalSteps, firstStep = run.firstStep
    let hasHead = try run.run.task().outputs != nil
    StopSignals.deferStops()
    defer { progress.clear() }
    let summary = try run.execute(ownDatabase: ownDatabase, shouldStop: { StopSignals.pending != nil }) { event in
      progress.show(event, totalSteps: totalSteps, firstStep: firstStep)
    }
    progress.clear()
    if cluster.leads {
      try Console.print(report.json ? json(summary, config) : text(summary, config, of: totalSteps, hasHead: hasHead))
    }
    if let failure = summary.recordingFailure { throw failure }
    // Any rank's signal stops all, and is the status of all.
    let signals = cluster.gather(fixed: [UInt8(clamping: StopSignals.pending ?? 0)])
    if summary.wasInterrupted, let number = signals.first(where: { $0 != [0] })?.first {
      throw ExitCode(128 + Int32(number))
    }
  }

  private func text(
    _ summary: TrainingRun.Summary, _ config: RunConfig, of totalSteps: Int, hasHead: Bool
  ) -> String {
    let steps =
      summary.wasInterrupted
      ? "\(grouped(summary.step)) of \(grouped(totalSteps)) steps; --resume goes on"
      : summary.step == 1 ? "1 step" : "\(grouped(summary.step)) steps"
    return ScoreText.table(summary.reports)
      + listing([
        ("run", "\(summary.runID) \(config.name), \(Self.status(summary)) after \(steps)"),
        ("adapter", "\(grouped(summary.parameters.adapter)) parameters, \(byteSize(summary.adapterBytes))"),
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
